// Tallies of several clients add up, also after they travelled as text.

import { PdpmError } from "@pdpm/base";
import type { BackendCounters } from "@pdpm/kv";
import { OperationCounters } from "@pdpm/verbs";
import { expect, test } from "vitest";
import { costsOf, since, sumOf, verbsIn } from "./counters.ts";
import { Tally } from "./tally.ts";

test("operations, failures and latencies of two clients add up", () => {
  const sum = new Tally();
  for (const ms of [1, 3]) {
    const tally = new Tally();
    tally.done("read", ms, undefined);
    tally.done("update", ms, 2 * ms);
    tally.failed(new PdpmError("PDPM_TIMEOUT", "too late"));
    tally.missing = 1;
    sum.add(structuredClone(tally.data()));
  }
  expect(sum).toMatchObject({ operations: 4, missing: 2, mismatches: 0, errors: 4 });
  expect(sum.data().failures).toEqual({
    PDPM_TIMEOUT: { count: 2, message: "PDPM_TIMEOUT: too late" },
  });
  const read = sum.service.get("read")?.summary();
  expect(read?.count).toBe(2);
  expect((read?.maxNanoseconds ?? 0) / 3e6).toBeCloseTo(1, 2);
  expect(sum.intended.get("read")).toBeUndefined();
  expect(sum.intended.get("update")?.summary().count).toBe(2);
});

test("the cost of an operation leaves housekeeping out; verbs count everything but calls", () => {
  const counts = (operations: number, roundTrips: number): OperationCounters => {
    const some = { reads: roundTrips, writes: 1, swaps: 2, flushes: 3, calls: 100 };
    const bytes = { bytesRead: 10 * operations };
    return Object.assign(new OperationCounters(), { operations, roundTrips, ...some, ...bytes });
  };
  const before: BackendCounters = { operations: { get: counts(1, 5) }, events: { lockWaits: 1 } };
  const after: BackendCounters = {
    operations: { get: counts(11, 15), housekeeping: counts(7, 70) },
    events: { lockWaits: 4 },
  };
  const run = since(before, after);
  expect(run.events).toEqual({ lockWaits: 3 });
  expect(costsOf(run)).toMatchObject({
    all: { operations: 10, roundTripsPerOperation: 1, bytesPerOperation: 10 },
    byKind: { get: { operations: 10 } },
  });
  const both = sumOf([before, after]);
  expect(verbsIn(Object.values(both.operations))).toEqual({
    total: 90 + 3 * 6,
    reads: 90,
    writes: 3,
    swaps: 6,
    flushes: 9,
  });
});
