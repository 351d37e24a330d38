// Writes of one client to one key: they queue, combine, and each caller is told what became of its
// own write (H12). The fabric below answers when the test says so.

import { PdpmError, systemClock } from "@pdpm/base";
import {
  commitPoint,
  type Fabric,
  type Post,
  type Protocol,
  type Replies,
  type Round,
  Runner,
  read,
  round,
  Verb,
  write,
} from "@pdpm/verbs";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { toKey } from "./key.ts";
import type { WriteBatch } from "./write-batch.ts";
import { WriteQueue } from "./write-queue.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** One slot of memory behind a fabric that waits for the test, and a client that writes to it. */
class Bench implements Fabric {
  exists = false;
  commitNumber = 0;
  /** Texts of the values that reached memory, in order; "" stands for a delete. */
  readonly written: string[] = [];
  /** What the next commit point meets, in place of success. */
  failure: PdpmError | undefined;
  isAtOnce = false;
  /** The batch that was begun last. */
  batch: WriteBatch | undefined;
  readonly runner = new Runner(this, systemClock);
  readonly queue = new WriteQueue(this.runner, (_, batch) => this.#protocol(batch));
  #answer: (() => void)[] = [];

  post(posts: Round): Replies | Promise<Replies> {
    if (this.isAtOnce) return this.#apply(posts);
    return new Promise((resolve) => {
      this.#answer.push(() => resolve(this.#apply(posts)));
    });
  }

  #apply(posts: Round): Replies {
    return posts.map((post: Post) => {
      if (post.verb !== Verb.write) return new Uint8Array(8);
      if (this.failure !== undefined) return this.failure;
      this.written.push(
        Buffer.from(post.data as Uint8Array)
          .toString()
          .slice(1),
      );
      return undefined;
    });
  }

  /** Learns the state, decides, writes: two rounds, the second is the commit point. */
  *#protocol(batch: WriteBatch): Protocol<void> {
    this.batch = batch;
    yield* round(read(0, 8));
    const decision = batch.decide(this.exists, this.commitNumber);
    if (decision.value === undefined && !decision.remove) return;
    const image = Buffer.concat([Buffer.from("="), decision.value ?? Buffer.alloc(0)]);
    yield* round(commitPoint(write(0, image)));
    this.exists = !decision.remove;
    this.commitNumber = decision.commitNumber;
  }

  /** Answers the rounds that wait now, and lets everything go on as far as it can. */
  async step(): Promise<void> {
    for (const answer of this.#answer.splice(0)) answer();
    await vi.advanceTimersByTimeAsync(0);
  }

  async finish(): Promise<void> {
    while (this.#answer.length > 0) await this.step();
  }

  put(value: string, ifVersion?: number, limits = {}): Promise<string> {
    return told(() => this.queue.submit(toKey("k"), Buffer.from(value), ifVersion, limits));
  }

  delete(ifVersion?: number, limits = {}): Promise<string> {
    return told(() => this.queue.submit(toKey("k"), undefined, ifVersion, limits));
  }
}

/** What a caller is told, as text: the number, or code and outcome. */
async function told(submit: () => unknown): Promise<string> {
  try {
    return String(await submit());
  } catch (error) {
    if (!(error instanceof PdpmError)) throw error;
    return `${error.code} ${error.outcome}`;
  }
}

test("a write that meets no waiting is done when submit returns", () => {
  const bench = new Bench();
  bench.isAtOnce = true;
  expect(bench.queue.submit(toKey("k"), Buffer.from("a"), undefined, {})).toBe(1);
  expect(() => bench.queue.submit(toKey("k"), Buffer.from("b"), 0, {})).toThrow("PDPM_CONFLICT");
  expect(bench.queue.submit(toKey("k"), undefined, 1, {})).toBe(1);
  expect(bench.queue.submit(toKey("k"), undefined, undefined, {})).toBeUndefined();
  expect(bench.written).toEqual(["a", ""]);
});

test("ten puts that queue take ten numbers and post one write", async () => {
  const bench = new Bench();
  const first = bench.put("first");
  const puts = Array.from({ length: 10 }, (_, i) => bench.put(`${i}`));
  expect(bench.queue.waiting).toBe(10);
  await bench.finish();
  expect(await first).toBe("1");
  expect(await Promise.all(puts)).toEqual(["2", "3", "4", "5", "6", "7", "8", "9", "10", "11"]);
  expect(bench.written).toEqual(["first", "9"]);
  expect(bench.commitNumber).toBe(11);
  expect(bench.runner.counters.kind("put")).toMatchObject({ operations: 11, roundTrips: 4 });
});

test("no more than 64 puts are combined", async () => {
  const bench = new Bench();
  const first = bench.put("first");
  const puts = Array.from({ length: 150 }, (_, i) => bench.put(`${i}`));
  await bench.finish();
  await first;
  expect(new Set(await Promise.all(puts)).size).toBe(150);
  expect(bench.written).toEqual(["first", "63", "127", "149"]);
});

test("conditions are evaluated in order, each against what stood there before it", async () => {
  const bench = new Bench();
  const first = bench.put("first");
  const rest = [
    bench.put("a", 1),
    bench.put("b", 1),
    bench.put("c", 0),
    bench.put("d"),
    bench.put("e", 3),
    bench.put("f", 3),
  ];
  await bench.finish();
  expect(await first).toBe("1");
  const conflict = "PDPM_CONFLICT not-applied";
  expect(await Promise.all(rest)).toEqual(["2", conflict, conflict, "3", "4", conflict]);
  expect(bench.written).toEqual(["first", "e"]);
});

test("a batch whose conditions all fail writes nothing", async () => {
  const bench = new Bench();
  const puts = [bench.put("a"), bench.put("b", 7), bench.put("c", 8)];
  await bench.finish();
  const conflict = "PDPM_CONFLICT not-applied";
  expect(await Promise.all(puts)).toEqual(["1", conflict, conflict]);
  expect(bench.written).toEqual(["a"]);
});

test("deletes go alone and in their place", async () => {
  const bench = new Bench();
  const calls = [
    bench.put("a"),
    bench.put("b"),
    bench.delete(),
    bench.put("c", 0),
    bench.put("d"),
    bench.delete(1),
    bench.delete(4),
    bench.delete(),
  ];
  await bench.finish();
  expect(await Promise.all(calls)).toEqual([
    "1",
    "2",
    "2",
    "3",
    "4",
    "PDPM_CONFLICT not-applied",
    "4",
    "undefined",
  ]);
  expect(bench.written).toEqual(["a", "b", "", "d", ""]);
});

test("keys do not wait for each other", async () => {
  const bench = new Bench();
  const one = told(() => bench.queue.submit(toKey("one"), Buffer.from("1"), undefined, {}));
  const two = told(() => bench.queue.submit(toKey("two"), Buffer.from("2"), undefined, {}));
  expect(bench.queue.waiting).toBe(0);
  await bench.step();
  await bench.step();
  expect(bench.written).toEqual(["1", "2"]);
  await Promise.all([one, two]);
});

test("a caller who times out in the queue: not applied, its value is never written", async () => {
  const bench = new Bench();
  const first = bench.put("first");
  const late = bench.put("late", undefined, { timeoutMs: 20 });
  await vi.advanceTimersByTimeAsync(30);
  expect(await late).toBe("PDPM_TIMEOUT not-applied");
  const after = bench.put("after");
  await bench.finish();
  expect([await first, await after]).toEqual(["1", "2"]);
  expect(bench.written).toEqual(["first", "after"]);
});

test("a caller whose signal fires in the queue takes no number from the others", async () => {
  const bench = new Bench();
  const controller = new AbortController();
  const calls = [
    bench.put("first"),
    bench.put("a"),
    bench.put("b", undefined, { signal: controller.signal }),
    bench.put("c"),
  ];
  controller.abort();
  await bench.finish();
  expect(await Promise.all(calls)).toEqual(["1", "2", "PDPM_ABORTED not-applied", "3"]);
  expect(bench.written).toEqual(["first", "c"]);
});

test("a signal that fired before submits nothing", async () => {
  const bench = new Bench();
  expect(await bench.put("a", undefined, { signal: AbortSignal.abort() })).toBe(
    "PDPM_ABORTED not-applied",
  );
  expect(bench.queue.waiting).toBe(0);
  await bench.finish();
  expect(bench.written).toEqual([]);
});

test("a caller who leaves after the commit point: unknown, and the write is finished", async () => {
  const bench = new Bench();
  const put = bench.put("a", undefined, { timeoutMs: 20 });
  await bench.step();
  await vi.advanceTimersByTimeAsync(30);
  expect(await put).toBe("PDPM_TIMEOUT unknown");
  await bench.finish();
  expect(bench.written).toEqual(["a"]);
  const after = bench.put("b");
  await bench.finish();
  expect(await after).toBe("2");
});

test("the buffer of a caller who left is its own again, also if it is a Buffer", async () => {
  const bench = new Bench();
  const value = Buffer.from("a");
  const put = told(() => bench.queue.submit(toKey("k"), value, undefined, { timeoutMs: 20 }));
  await bench.step();
  await vi.advanceTimersByTimeAsync(30);
  expect(await put).toBe("PDPM_TIMEOUT unknown");
  value.fill("x");
  expect(Buffer.from(bench.batch?.decide(false, 0).value ?? []).toString()).toBe("a");
  await bench.finish();
});

test("a single caller who leaves before the commit point stops its write", async () => {
  const bench = new Bench();
  const controller = new AbortController();
  const put = bench.put("a", undefined, { signal: controller.signal });
  controller.abort();
  expect(await put).toBe("PDPM_ABORTED not-applied");
  await bench.finish();
  expect(bench.written).toEqual([]);
  const after = bench.put("b", 0);
  await bench.finish();
  expect(await after).toBe("1");
});

test("those who stay are served when one of their batch leaves", async () => {
  const bench = new Bench();
  const first = bench.put("first");
  const controller = new AbortController();
  const leaving = bench.put("leaving", undefined, { signal: controller.signal });
  const staying = bench.put("staying");
  await bench.step();
  await bench.step();
  expect(await first).toBe("1");
  controller.abort();
  expect(await leaving).toBe("PDPM_ABORTED not-applied");
  await bench.finish();
  expect(await staying).toBe("2");
  expect(bench.written).toEqual(["first", "staying"]);
});

test("the last value of a batch is not written when its caller leaves", async () => {
  const bench = new Bench();
  const first = bench.put("first");
  const controller = new AbortController();
  const staying = bench.put("staying");
  const leaving = bench.put("leaving", undefined, { signal: controller.signal });
  await bench.step();
  await bench.step();
  controller.abort();
  await bench.finish();
  expect(await Promise.all([first, staying, leaving])).toEqual([
    "1",
    "2",
    "PDPM_ABORTED not-applied",
  ]);
  expect(bench.written).toEqual(["first", "staying"]);
});

test("whoever leaves after the commit point takes nobody along", async () => {
  const bench = new Bench();
  const first = bench.put("first");
  const controller = new AbortController();
  const leaving = bench.put("leaving", undefined, { signal: controller.signal });
  const staying = bench.put("staying");
  for (let i = 0; i < 3; i += 1) await bench.step();
  controller.abort();
  expect(await leaving).toBe("PDPM_ABORTED unknown");
  await bench.finish();
  expect([await first, await staying]).toEqual(["1", "3"]);
  expect(bench.written).toEqual(["first", "staying"]);
});

test("a failure reaches every caller of the batch, and the queue goes on", async () => {
  const bench = new Bench();
  const first = bench.put("first");
  await bench.finish();
  await first;
  bench.failure = new PdpmError("PDPM_UNAVAILABLE", "cut", { outcome: "unknown" });
  const leading = bench.put("leading");
  const batch = [bench.put("a"), bench.put("b")];
  await bench.finish();
  const cut = "PDPM_UNAVAILABLE unknown";
  expect(await Promise.all([leading, ...batch])).toEqual([cut, cut, cut]);
  bench.failure = new PdpmError("PDPM_NO_SPACE", "full");
  const full = bench.put("c");
  await bench.finish();
  expect(await full).toBe("PDPM_NO_SPACE not-applied");
  bench.failure = undefined;
  const after = bench.put("d");
  await bench.finish();
  expect(await after).toBe("2");
});

test("the runner is idle only when the queue has been worked off", async () => {
  const bench = new Bench();
  const calls = [bench.put("a"), bench.put("b"), bench.delete(), bench.put("c")];
  let isIdle = false;
  const idle = bench.runner.idle().then(() => {
    isIdle = true;
  });
  for (let i = 0; i < 7; i += 1) {
    await bench.step();
    expect(isIdle).toBe(false);
  }
  await bench.step();
  await idle;
  expect(await Promise.all(calls)).toEqual(["1", "2", "2", "3"]);
});
