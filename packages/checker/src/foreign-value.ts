// A read of a value that its key never held, told with what the whole history knows of the value:
// it was written to another key, its write failed, or nobody ever wrote it. The one check that
// looks beyond the key.

import type { Operation } from "./operation.ts";
import { type Mistake, type Violation, violation } from "./verdict.ts";

interface Origin {
  readonly mistake: Mistake;
  readonly reason: string;
  readonly operation: Operation | null;
}

function findOrigin(
  value: string,
  key: string,
  keys: ReadonlyMap<string, readonly Operation[]>,
): Origin {
  for (const [otherKey, operations] of keys) {
    for (const operation of operations) {
      const { op, outcome } = operation;
      if (operation.value !== value || op === "get") continue;
      if (otherKey !== key) {
        const reason = `but written to ${otherKey}`;
        return { mistake: "value-of-another-key", reason, operation };
      }
      return { mistake: "value-not-applied", reason: `but its ${op} ended ${outcome}`, operation };
    }
  }
  return { mistake: "value-never-written", reason: "but never written", operation: null };
}

/** The first read of `key` that returned a value which no write of the key can have made. */
export function findForeignValue(
  key: string,
  keys: ReadonlyMap<string, readonly Operation[]>,
): Violation | null {
  const operations = keys.get(key) ?? [];
  const written = new Set<string | null>();
  for (const { op, value, outcome } of operations) {
    if (op !== "get" && (outcome === "ok" || outcome === "unknown")) written.add(value);
  }
  for (const read of operations) {
    const { op, value } = read;
    if (op !== "get" || value === null || written.has(value)) continue;
    const { mistake, reason, operation } = findOrigin(value, key, keys);
    const text = `${value} was read, ${reason}`;
    const found = violation(mistake, text, operation && { operation }, { operation: read });
    return { ...found, shrunk: true };
  }
  return null;
}
