// Whether a history is linearizable. Keys are independent, so each is decided by itself: by its
// versions where it has them (version-order.ts, O(n log n)), else by a bounded search (search.ts).
// An answer is exact or "undecided"; nothing is guessed.
//
// What a key is: a register, missing at first, holding a value and a version. Versions of a key
// grow strictly along the order, across delete and re-create; numbers may skip.

import { assert } from "@pdpm/base";
import { shrinkViolation } from "./counterexample.ts";
import { findForeignValue } from "./foreign-value.ts";
import type { Operation } from "./operation.ts";
import { checkBySearch } from "./search.ts";
import { type Step, toStep } from "./step.ts";
import { type Mistake, type Verdict, violation } from "./verdict.ts";
import { checkByVersionOrder } from "./version-order.ts";

/** How many configurations the search may try on one part of a key, to make a violation small. */
const shrinkConfigurationCountMax = 20_000;

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
      /** Null when undecided. */
      readonly mistake: Mistake | null;
      readonly reason: string;
      /**
       * The operations that show it, by start: the fewest that still contradict one another, or,
       * where `shrunk` is false, some of those involved. Empty when undecided.
       */
      readonly operations: readonly Operation[];
      readonly shrunk: boolean;
      /** How many operations the history has on this key. */
      readonly keyOperations: number;
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

function decide(steps: readonly Step[], configurationCountMax: number): Verdict {
  const verdict = checkByVersionOrder(steps);
  return verdict.kind === "undecided" ? checkBySearch(steps, configurationCountMax) : verdict;
}

/**
 * Decides one key; a violation comes with the fewest operations that show it.
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
    if (reason !== null) {
      return { ...violation("condition-ignored", reason, { operation }), shrunk: true };
    }
    const step = toStep(operation, versioned);
    if (step !== null) steps.push(step);
  }
  const verdict = decide(steps, configurationCountMax);
  if (verdict.kind !== "violation") return verdict;
  const bound = Math.min(configurationCountMax, shrinkConfigurationCountMax);
  return shrinkViolation(steps, verdict, (part) => decide(part, bound));
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
    const about = { ok: false, key, keyOperations: list.length } as const;
    if (verdict.kind === "undecided") {
      const { reason } = verdict;
      const none = { mistake: null, operations: [], shrunk: false };
      undecided ??= { ...about, undecided: true, reason, ...none };
      continue;
    }
    const { mistake, reason, operations: few, shrunk } = findForeignValue(key, keys) ?? verdict;
    return { ...about, undecided: false, mistake, reason, operations: few, shrunk };
  }
  return undecided ?? { ok: true, keys: keys.size, operations: count };
}
