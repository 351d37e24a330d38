// Many operations of one call: bounded, none left behind, and no failure swallowed.

import { type Clock, PdpmError } from "@pdpm/base";
import { beforeEach, expect, test } from "vitest";
import { Deadline } from "./deadline.ts";
import {
  inFlightBytesMost,
  inFlightMost,
  type ManyWork,
  runMany,
  writesInFlightMost,
} from "./many.ts";

const unknown = { outcome: "unknown" } as const;

/** A clock that the test moves; waiting for it takes one turn of the event loop. */
class TurnClock implements Clock {
  time = 0;
  waits = 0;

  now(): number {
    return this.time;
  }

  after(_ms: number, then: () => void): () => void {
    this.waits += 1;
    const turn = setImmediate(then);
    return () => clearImmediate(turn);
  }
}

let clock = new TurnClock();
beforeEach(() => {
  clock = new TurnClock();
});

function run<T>(work: Partial<ManyWork<T>> & Pick<ManyWork<T>, "count" | "start">, limits = {}) {
  const whole = { name: "putMany", writes: true, bytesOf: () => 0, ...work };
  return runMany<T>(whole, clock, new Deadline(clock, limits));
}

async function failureOf(work: Promise<unknown>): Promise<PdpmError> {
  const error = await work.catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(PdpmError);
  return error as PdpmError;
}

/** Resolves a turn of the event loop later, and watches how many are under way. */
class Gauge {
  now = 0;
  most = 0;

  async pass<T>(result: T, weight = 1): Promise<T> {
    this.now += weight;
    this.most = Math.max(this.most, this.now);
    await new Promise((resolve) => setImmediate(resolve));
    this.now -= weight;
    clock.time += 1;
    return result;
  }
}

test("results come in order, whichever operation ends first", async () => {
  const gauge = new Gauge();
  const results = await run({
    count: 100,
    start: (i) => (i % 3 === 0 ? i : gauge.pass(i)),
  });
  expect(results).toEqual(Array.from({ length: 100 }, (_, i) => i));
});

test("no more operations are under way than the bound says", async () => {
  for (const [writes, most] of [
    [false, inFlightMost],
    [true, writesInFlightMost],
  ] as const) {
    const gauge = new Gauge();
    await run({ writes, count: 3 * most, start: (i) => gauge.pass(i) });
    expect(gauge.most).toBe(most);
  }
});

test("no more bytes are under way than the bound says, but always one operation", async () => {
  const gauge = new Gauge();
  const share = inFlightBytesMost / 4;
  await run({ count: 20, start: (i) => gauge.pass(i, share), bytesOf: () => share });
  expect(gauge.most).toBe(inFlightBytesMost);
  const large = new Gauge();
  await run({ count: 5, start: (i) => large.pass(i), bytesOf: () => 2 * inFlightBytesMost });
  expect(large.most).toBe(1);
});

test("operations that are ready at once let the event loop run now and then", async () => {
  await run({ count: 50_000, start: (i) => i });
  expect(clock.waits).toBe(6);
});

test("the first failure keeps the rest from starting, and waits for what had started", async () => {
  const gauge = new Gauge();
  let started = 0;
  const work = run({
    count: 10,
    start: (i) => {
      started += 1;
      if (i === 4) throw new PdpmError("PDPM_NO_SPACE", "full");
      return gauge.pass(i);
    },
  });
  const error = await failureOf(work);
  expect(started).toBe(5);
  expect(gauge.now).toBe(0);
  expect([error.code, error.outcome]).toEqual(["PDPM_NO_SPACE", "unknown"]);
  expect(error.text).toBe("putMany: 4 of 10 were applied, 0 may have been, 6 were not; full");
});

test("every failure is in the cause, and the ones in doubt are counted", async () => {
  const errors = [
    new PdpmError("PDPM_TIMEOUT", "late", unknown),
    new PdpmError("PDPM_UNAVAILABLE", "cut", unknown),
    new PdpmError("PDPM_CONFLICT", "raced"),
  ];
  const work = run({ count: 3, start: (i) => Promise.reject(errors[i]) });
  const error = await failureOf(work);
  expect(error.text).toContain("0 of 3 were applied, 2 may have been, 1 were not; late");
  expect(error.outcome).toBe("unknown");
  expect((error.cause as AggregateError).errors).toEqual(errors);
});

test("the outcome is not-applied only if nothing was and nothing may have been", async () => {
  const conflict = new PdpmError("PDPM_CONFLICT", "raced");
  const none = await failureOf(run({ count: 2, start: () => Promise.reject(conflict) }));
  expect(none.outcome).toBe("not-applied");
  const reads = run({
    writes: false,
    name: "getMany",
    count: 2,
    start: (i) => (i === 0 ? Promise.resolve(i) : Promise.reject(conflict)),
  });
  const error = await failureOf(reads);
  expect(error.outcome).toBe("not-applied");
  expect(error.text).toBe("getMany: 1 of 2 were read; raced");
});

test("an error that is not ours is not dressed up as one", async () => {
  const mine = new TypeError("mine");
  const work = run({ count: 2, start: () => Promise.reject(mine) });
  const error: unknown = await work.catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(AggregateError);
  expect((error as AggregateError).errors).toEqual([mine, mine]);
});

test("an abort between two operations counts as what it is", async () => {
  const controller = new AbortController();
  const gauge = new Gauge();
  const work = run(
    {
      count: 2 * writesInFlightMost,
      start: (i) => {
        if (i === writesInFlightMost - 1) controller.abort();
        return gauge.pass(i);
      },
    },
    { signal: controller.signal },
  );
  const error = await failureOf(work);
  expect(error.code).toBe("PDPM_ABORTED");
  expect(error.text).toContain("192 of 384 were applied, 0 may have been, 192 were not");
});

test("later operations get what is left of the time", async () => {
  const gauge = new Gauge();
  const given: number[] = [];
  await run(
    {
      count: 2 * writesInFlightMost,
      start: (i, { timeoutMs }) => {
        given.push(timeoutMs as number);
        return gauge.pass(i);
      },
    },
    { timeoutMs: 5000 },
  );
  expect(given[0]).toBe(5000);
  expect(given[writesInFlightMost - 1]).toBe(5000);
  expect(given[writesInFlightMost]).toBeLessThan(5000);
});

test("no operation at all is done at once", async () => {
  expect(await run({ count: 0, start: () => 1 })).toEqual([]);
});
