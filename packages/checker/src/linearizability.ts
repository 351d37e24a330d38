// Whether a history is linearizable. Keys are independent, so each is decided by itself: by its
// versions where it has them (version-order.ts, O(n log n)), else by a bounded search (search.ts).
// An answer is exact or "undecided"; nothing is guessed.
//
// What a key is: a register, missing at first, holding a value and a version. Versions of a key
// grow strictly along the order, across delete and re-create; numbers may skip.

import { assert } from "@pdpm/base";
import type { Operation } from "./operation.ts";
import { checkBySearch } from "./search.ts";
import { type Step, toStep } from "./step.ts";
import { type Verdict, type Violation, violation } from "./verdict.ts";
import { checkByVersionOrder } from "./version-order.ts";

/** How hard to try. */
export interface CheckOptions {
  /**
   * How many configurations the search may try on one key.
   * @defaultValue 1,000,000 (a few seconds, about 200 MB)
   */
  readonly configurationCountMax?: number;
}

/** What the check found. */
export type CheckResult =
  | { readonly ok: true; readonly keys: number; readonly operations: number }
  | {
      readonly ok: false;
      /** True: the bound was reached before an order or a contradiction was found. */
      readonly undecided: boolean;
      readonly key: string;
      readonly reason: string;
      /** The few operations that show it, by start; empty when undecided. */
      readonly operations: readonly Operation[];
    };

function groupByKey(operations: Iterable<Operation>): Map<string, Operation[]> {
  const keys = new Map<string, Operation[]>();
  for (const operation of operations) {
    const list = keys.get(operation.key);
    if (list) list.push(operation);
    else keys.set(operation.key, [operation]);
  }
  return keys;
}

/** An answer that contradicts its own question, whatever the others did. */
function selfContradiction(operation: Operation): string | null {
  const { op, outcome, ifVersion, version } = operation;
  if (outcome !== "ok" || ifVersion === null || version === null) return null;
  if (op === "delete" && version !== ifVersion) {
    return `a delete on condition of version ${ifVersion} deleted version ${version}`;
  }
  if (op === "cas" && version <= ifVersion) {
    return `a cas on condition of version ${ifVersion} wrote version ${version}`;
  }
  return null;
}

/**
 * Decides one key.
 *
 * @param versioned - Whether the history records versions; it settles what a delete without one
 *   saw.
 */
export function checkKey(
  operations: readonly Operation[],
  versioned: boolean,
  configurationCountMax: number,
): Verdict {
  const steps: Step[] = [];
  for (const operation of operations) {
    const reason = selfContradiction(operation);
    if (reason !== null) return violation(reason, { operation });
    const step = toStep(operation, versioned);
    if (step !== null) steps.push(step);
  }
  const verdict = checkByVersionOrder(steps);
  return verdict.kind === "undecided" ? checkBySearch(steps, configurationCountMax) : verdict;
}

/** Words for a value that no write of this key made, from what the whole history knows of it. */
function explainForeignValue(
  foreign: string,
  key: string,
  keys: ReadonlyMap<string, readonly Operation[]>,
): { readonly reason: string; readonly operation: Operation | null } {
  for (const [otherKey, operations] of keys) {
    for (const operation of operations) {
      if (operation.value !== foreign || operation.op === "get") continue;
      if (otherKey !== key) return { reason: `but written to ${otherKey}`, operation };
      return { reason: `but its ${operation.op} ended ${operation.outcome}`, operation };
    }
  }
  return { reason: "but never written", operation: null };
}

/** A read of a value that its key never held: the one check that looks beyond the key. */
function checkForeignValues(
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
    const { reason, operation } = explainForeignValue(value, key, keys);
    return violation(`${value} was read, ${reason}`, operation && { operation }, {
      operation: read,
    });
  }
  return null;
}

/**
 * Decides whether the operations of a history are linearizable, key by key.
 *
 * The operations may come in any order. 1,000,000 with versions take a few seconds and are all held
 * in memory. A violation on any key is reported before an undecided key is.
 *
 * @param operations - Valid ones (`invalidOperation`), for example from `parseHistory`.
 */
export function checkLinearizability(
  operations: Iterable<Operation>,
  options: CheckOptions = {},
): CheckResult {
  const configurationCountMax = options.configurationCountMax ?? 1_000_000;
  assert(configurationCountMax >= 1, `at least one configuration, not ${configurationCountMax}`);
  const keys = groupByKey(operations);
  let count = 0;
  let versioned = false;
  for (const list of keys.values()) {
    count += list.length;
    versioned ||= list.some((operation) => operation.version !== null && operation.version > 0);
  }
  let undecided: CheckResult | null = null;
  for (const [key, list] of keys) {
    const verdict = checkKey(list, versioned, configurationCountMax);
    if (verdict.kind === "linearizable") continue;
    if (verdict.kind === "undecided") {
      undecided ??= { ok: false, undecided: true, key, reason: verdict.reason, operations: [] };
      continue;
    }
    const { reason, operations: involved } = checkForeignValues(key, keys) ?? verdict;
    return { ok: false, undecided: false, key, reason, operations: involved };
  }
  return undecided ?? { ok: true, keys: keys.size, operations: count };
}
