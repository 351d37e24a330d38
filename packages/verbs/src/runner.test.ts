// The runner's rules, on a fabric whose replies the test gives by hand.

import { PdpmError, systemClock } from "@pdpm/base";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { ChunkMap } from "./chunk-map.ts";
import { type Fabric, Router } from "./fabric.ts";
import { type Protocol, round } from "./protocol.ts";
import {
  call,
  commitPoint,
  compareAndSwap,
  flush,
  optional,
  pause,
  type Replies,
  type Round,
  read,
  write,
} from "./round.ts";
import { Runner } from "./runner.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const word = new Uint8Array(8);

/** A fabric that answers when the test says so; until then it only notes what was posted. */
class HandFabric implements Fabric {
  readonly posted: Round[] = [];
  /** Replies that are ready when the next rounds are posted, first come first served. */
  readonly ready: Replies[] = [];
  #answer: ((replies: Replies) => void) | undefined;

  post(posts: Round): Replies | Promise<Replies> {
    this.posted.push(posts);
    const replies = this.ready.shift();
    if (replies !== undefined) return replies;
    return new Promise((resolve) => {
      this.#answer = resolve;
    });
  }

  /** Answers the round that waits, and lets the protocol go on. */
  async answer(...replies: unknown[]): Promise<void> {
    const resolve = this.#answer;
    if (resolve === undefined) throw new Error("no round waits for an answer");
    this.#answer = undefined;
    resolve(replies);
    await vi.advanceTimersByTimeAsync(0);
  }
}

function setup(): { fabric: HandFabric; runner: Runner } {
  const fabric = new HandFabric();
  return { fabric, runner: new Runner(fabric, systemClock) };
}

/** How a call ended, as text: its value, or code and outcome. */
function endOf(work: unknown): Promise<string> {
  return Promise.resolve(work).then(
    (value) => `value ${value}`,
    (error: PdpmError) => `${error.code} ${error.outcome}`,
  );
}

/** Locks, writes with a commit point, unlocks; told before that, it unlocks and rethrows. */
function* lockedWrite(log: string[]): Protocol<string> {
  const [found] = yield* round(compareAndSwap(0, 0n, 1n));
  log.push(`locked ${found}`);
  try {
    yield* round(commitPoint(write(8, word)), flush(0, 16));
    log.push("written");
    return "done";
  } finally {
    yield* round(compareAndSwap(0, 1n, 0n));
    log.push("unlocked");
  }
}

describe("while every reply is ready at once", () => {
  test("an operation runs synchronously and is no promise", () => {
    const { fabric, runner } = setup();
    fabric.ready.push([0n], [undefined, undefined], [1n]);
    const log: string[] = [];
    const result = runner.run(runner.operation("put"), lockedWrite(log), { timeoutMs: 100 });
    expect(result).toBe("done");
    expect(log).toEqual(["locked 0", "written", "unlocked"]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("a failure is thrown at once, with the operation's outcome", () => {
    const { fabric, runner } = setup();
    fabric.ready.push([0n], [undefined, new PdpmError("PDPM_POISONED", "flush failed")], [1n]);
    const run = () => runner.run(runner.operation("put"), lockedWrite([]), {});
    expect(run).toThrow(expect.objectContaining({ code: "PDPM_POISONED", outcome: "unknown" }));
    expect(fabric.posted.length).toBe(3);
  });

  test("an error that is not ours goes through as it is", () => {
    const { runner } = setup();
    const mine = new Error("mine");
    // biome-ignore lint/correctness/useYield: it throws before its first round.
    function* broken(): Protocol<void> {
      throw mine;
    }
    expect(() => runner.run(runner.operation("put"), broken(), {})).toThrow(mine);
  });

  test("a signal that fired before keeps the first round from being posted", () => {
    const { fabric, runner } = setup();
    const limits = { signal: AbortSignal.abort() };
    const run = () => runner.run(runner.operation("put"), lockedWrite([]), limits);
    expect(run).toThrow("PDPM_ABORTED");
    expect(fabric.posted.length).toBe(0);
  });
});

describe("when replies are late", () => {
  test("the result is a promise, and later rounds that are ready do not wait", async () => {
    const { fabric, runner } = setup();
    const work = runner.run(runner.operation("put"), lockedWrite([]), { timeoutMs: 100 });
    expect(work).toBeInstanceOf(Promise);
    fabric.ready.push([undefined, undefined], [1n]);
    await fabric.answer(0n);
    expect(fabric.posted.length).toBe(3);
    expect(await endOf(work)).toBe("value done");
  });

  test("a deadline before the commit point: told after the replies, then cleaned up", async () => {
    const { fabric, runner } = setup();
    const log: string[] = [];
    const work = runner.run(runner.operation("put"), lockedWrite(log), { timeoutMs: 20 });
    const end = endOf(work);
    await vi.advanceTimersByTimeAsync(30);
    expect(await end).toBe("PDPM_TIMEOUT not-applied");
    expect(fabric.posted.length).toBe(1);
    await fabric.answer(0n);
    // It learnt that it holds the lock; in place of the commit point it posted its clean-up.
    expect(log).toEqual(["locked 0"]);
    expect(fabric.posted.flat().some((post) => post.commitPoint)).toBe(false);
    let isIdle = false;
    const idle = runner.idle().then(() => {
      isIdle = true;
    });
    await vi.advanceTimersByTimeAsync(0);
    expect(isIdle).toBe(false);
    await fabric.answer(1n);
    expect(log).toEqual(["locked 0", "unlocked"]);
    await idle;
  });

  test("a deadline after the commit point: unknown, and only ever finished", async () => {
    const { fabric, runner } = setup();
    const log: string[] = [];
    const work = runner.run(runner.operation("put"), lockedWrite(log), { timeoutMs: 20 });
    const end = endOf(work);
    await fabric.answer(0n);
    await vi.advanceTimersByTimeAsync(30);
    expect(await end).toBe("PDPM_TIMEOUT unknown");
    await fabric.answer(undefined, undefined);
    await fabric.answer(1n);
    expect(log).toEqual(["locked 0", "written", "unlocked"]);
    await runner.idle();
  });

  test("an abort ends the wait in the same turn, the protocol at its next boundary", async () => {
    const { fabric, runner } = setup();
    const controller = new AbortController();
    const log: string[] = [];
    const limits = { signal: controller.signal };
    const end = endOf(runner.run(runner.operation("put"), lockedWrite(log), limits));
    controller.abort();
    expect(await end).toBe("PDPM_ABORTED not-applied");
    await fabric.answer(0n);
    await fabric.answer(1n);
    expect(log).toEqual(["locked 0", "unlocked"]);
  });

  test("a caller who left while a CAS was in doubt: told once the CAS turns out lost", async () => {
    const { fabric, runner } = setup();
    function* untilWon(): Protocol<void> {
      for (let expected = 0n; ; ) {
        const [found] = yield* round(commitPoint(compareAndSwap(0, expected, 9n)));
        if (found === expected) return;
        expected = found;
      }
    }
    const end = endOf(runner.run(runner.operation("put"), untilWon(), { timeoutMs: 20 }));
    await vi.advanceTimersByTimeAsync(30);
    expect(await end).toBe("PDPM_TIMEOUT unknown");
    await fabric.answer(7n);
    expect(fabric.posted.length).toBe(1);
    await runner.idle();
  });

  test("a lost CAS and a conflict: the error says not-applied", async () => {
    const { fabric, runner } = setup();
    function* create(): Protocol<void> {
      const [found] = yield* round(commitPoint(compareAndSwap(0, 0n, 9n)));
      if (found !== 0n) throw new PdpmError("PDPM_CONFLICT", "it exists", { outcome: "unknown" });
    }
    const end = endOf(runner.run(runner.operation("put"), create(), {}));
    await fabric.answer(7n);
    expect(await end).toBe("PDPM_CONFLICT not-applied");
  });

  test("a deadline names whom the operation waits for, as PDPM_BUSY", async () => {
    const { runner } = setup();
    const operation = runner.operation("put");
    const work = runner.run(operation, lockedWrite([]), { timeoutMs: 20 }) as Promise<string>;
    operation.waitingFor = "process 7 holds the lock";
    const end = work.catch((error: PdpmError) => error);
    await vi.advanceTimersByTimeAsync(30);
    const error = (await end) as PdpmError;
    expect([error.code, error.outcome]).toEqual(["PDPM_BUSY", "not-applied"]);
    expect(error.message).toContain("process 7 holds the lock");
  });

  test("whom it waits for is asked at the deadline, and may be nobody", async () => {
    const { runner } = setup();
    const ends: Promise<PdpmError>[] = [];
    let who: string | undefined = "too early";
    for (const waitingFor of [() => who, () => undefined]) {
      const operation = runner.operation("put");
      const work = runner.run(operation, lockedWrite([]), { timeoutMs: 20 }) as Promise<string>;
      operation.waitingFor = waitingFor;
      ends.push(work.then(() => expect.fail("it did not fail")).catch((error) => error));
    }
    who = "process 8 hosts it";
    await vi.advanceTimersByTimeAsync(30);
    const [named, unnamed] = await Promise.all(ends);
    expect(named).toMatchObject({ code: "PDPM_BUSY", outcome: "not-applied" });
    expect(named?.message).toContain("process 8 hosts it");
    expect(unnamed).toMatchObject({ code: "PDPM_TIMEOUT", outcome: "not-applied" });
  });

  test("a protocol that ends well after its caller left disturbs nobody", async () => {
    const { fabric, runner } = setup();
    function* stubborn(): Protocol<string> {
      try {
        yield* round(read(0, 8));
        yield* round(read(8, 8));
        return "read";
      } catch {
        return "told";
      }
    }
    const end = endOf(runner.run(runner.operation("get"), stubborn(), { timeoutMs: 20 }));
    await vi.advanceTimersByTimeAsync(30);
    expect(await end).toBe("PDPM_TIMEOUT not-applied");
    await fabric.answer(word);
    await runner.idle();
    expect(fabric.posted.length).toBe(1);
  });

  test("what runs is listed; idle waits also for what starts meanwhile", async () => {
    const { fabric, runner } = setup();
    function* one(): Protocol<void> {
      yield* round(read(0, 8));
    }
    let isIdle = false;
    const first = runner.operation("get");
    const second = runner.operation("get");
    void runner.execute(first, one());
    void runner.idle().then(() => {
      isIdle = true;
    });
    expect([...runner.running()]).toEqual([first]);
    const answering = fabric.answer(word);
    void runner.execute(second, one());
    await answering;
    expect([...runner.running()]).toEqual([second]);
    expect(isIdle).toBe(false);
    await fabric.answer(word);
    expect([...runner.running()]).toEqual([]);
    expect(isIdle).toBe(true);
  });
});

describe("replies of one round", () => {
  test("an optional post that failed replies undefined", () => {
    const { fabric, runner } = setup();
    fabric.ready.push([new PdpmError("PDPM_UNAVAILABLE", "down"), word]);
    function* both(): Protocol<unknown[]> {
      return yield* round(optional(read(0, 8)), read(8, 8));
    }
    expect(runner.run(runner.operation("get"), both(), {})).toEqual([undefined, word]);
  });

  test("the first failure of the others is thrown where the round was yielded", () => {
    const { fabric, runner } = setup();
    const down = new PdpmError("PDPM_UNAVAILABLE", "down");
    fabric.ready.push([down, down, word]);
    function* three(): Protocol<string> {
      try {
        yield* round(optional(read(0, 8)), read(8, 8), read(16, 8));
        return "no failure";
      } catch (error) {
        return (error as PdpmError).code;
      }
    }
    expect(runner.run(runner.operation("get"), three(), {})).toBe("PDPM_UNAVAILABLE");
  });
});

test("a pause returns to the event loop, also one of no time at all", async () => {
  const router = new Router(systemClock, new ChunkMap(2 ** 22), [], new Map());
  const runner = new Runner(router, systemClock);
  function* patient(ms: number): Protocol<string> {
    yield* round(pause(ms));
    return "later";
  }
  for (const ms of [0, 25]) {
    let isDone = false;
    const work = runner.run(runner.operation("put"), patient(ms), {}) as Promise<string>;
    expect(work).toBeInstanceOf(Promise);
    void work.then(() => {
      isDone = true;
    });
    await Promise.resolve();
    if (ms > 0) await vi.advanceTimersByTimeAsync(ms - 1);
    expect(isDone).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(await work).toBe("later");
  }
  expect(runner.counters.kind("put").roundTrips).toBe(0);
});

test("round trips, verbs and bytes are counted by kind, where rounds are posted", async () => {
  const { fabric, runner } = setup();
  fabric.ready.push([0n], [undefined, undefined], [1n], [word, word], [undefined], ["answer"]);
  const put = runner.operation("put");
  runner.run(put, lockedWrite([]), {});
  expect(put.roundTrips).toBe(3);
  function* others(): Protocol<void> {
    yield* round(read(0, 8), read(64, 100));
    yield* round(pause(1));
    yield* round(call("service", {}));
  }
  const get = runner.operation("get");
  runner.run(get, others(), {});
  expect(get.roundTrips).toBe(1);
  const { put: puts, get: gets } = runner.counters.snapshot();
  expect(puts).toMatchObject({ operations: 1, roundTrips: 3, swaps: 2, writes: 1, flushes: 1 });
  expect(puts).toMatchObject({ bytesWritten: 8, bytesRead: 0, reads: 0, calls: 0 });
  expect(gets).toMatchObject({ operations: 1, roundTrips: 1, reads: 2, bytesRead: 108, calls: 1 });
});
