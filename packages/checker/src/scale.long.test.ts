// Long histories: the deciders must stay near-linear, also on one hot key, with writes of unknown
// outcome, and without versions. No clock here; a quadratic step would run into the test's time
// limit.
import { Prng } from "@pdpm/base";
import { expect, test } from "vitest";
import { checkLinearizability } from "./linearizability.ts";
import type { Operation } from "./operation.ts";

interface Shape {
  readonly operationCount: number;
  readonly keyCount: number;
  readonly unknown: number;
  readonly versions: boolean;
}

/** Clients that each do one operation after the other; operation i happens at the moment 10 i. */
function makeHistory(
  seed: string,
  { operationCount, keyCount, unknown, versions }: Shape,
): Operation[] {
  const prng = new Prng(seed);
  const clientCount = 32;
  const keys = Array.from({ length: keyCount }, () => ({ value: null as string | null, last: 0 }));
  return Array.from({ length: operationCount }, (_, i): Operation => {
    // Client i % 32 has the moments around 10 i for itself, half of the way to its neighbours in
    // time.
    const [before, after] = [prng.below(5 * clientCount), prng.below(5 * clientCount)];
    const index = Math.floor(keyCount * prng.float() ** 3);
    const key = keys[index] ?? { value: null, last: 0 };
    const when = { client: i % clientCount, key: `user${index}`, ifVersion: null };
    const times = { start: 10 * i - before, end: 10 * i + after };
    const number = versions ? key.last : null;
    if (prng.chance(0.5)) {
      const version = key.value === null ? null : number;
      return { ...when, ...times, op: "get", value: key.value, version, outcome: "ok" };
    }
    if (versions && key.value !== null && prng.chance(0.1)) {
      key.value = null;
      return { ...when, ...times, op: "delete", value: null, version: number, outcome: "ok" };
    }
    const value = `${when.client}:${i}`;
    const isUnknown = prng.chance(unknown);
    if (!isUnknown || prng.chance(0.5)) {
      key.value = value;
      key.last += 1;
    }
    if (isUnknown) {
      return { ...when, ...times, op: "put", value, version: null, end: null, outcome: "unknown" };
    }
    return {
      ...when,
      ...times,
      op: "put",
      value,
      version: versions ? key.last : null,
      outcome: "ok",
    };
  });
}

/** Makes the last read of a value return the first value of its key instead. */
function spoil(operations: Operation[]): void {
  const isRead = ({ op, value }: Operation) => op === "get" && value !== null;
  const last = operations.findLastIndex(isRead);
  const read = operations[last];
  const first = operations.find((other) => isRead(other) && other.key === read?.key);
  if (read && first) operations[last] = { ...read, value: first.value, version: first.version };
}

const shapes = {
  "on many keys": { operationCount: 150_000, keyCount: 5000, unknown: 0.01, versions: true },
  "on one key": { operationCount: 100_000, keyCount: 1, unknown: 0.001, versions: true },
  "without versions": { operationCount: 100_000, keyCount: 500, unknown: 0.001, versions: false },
};

test.each(Object.entries(shapes))("a long history %s is decided, good and spoilt", (_, shape) => {
  const operations = makeHistory("scale", shape);
  const expected = { ok: true, operations: shape.operationCount };
  expect(checkLinearizability(operations)).toMatchObject(expected);
  spoil(operations);
  expect(checkLinearizability(operations)).toMatchObject({ ok: false, undecided: false });
});
