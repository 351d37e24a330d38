// What the clients of a simulated store were told, and whether it can be true.

import { type Breach, hold } from "@pdpm/base";
import {
  checkLinearizability,
  type Operation as HistoryOperation,
  historyBreaches,
  type OperationKind,
  type OperationOutcome,
} from "@pdpm/checker";
import type { Key } from "@pdpm/kv";

/** An operation that has begun; unknown until it has ended. */
export interface Entry {
  readonly client: number;
  readonly op: OperationKind;
  readonly key: Key;
  readonly ifVersion: number | null;
  value: string | null;
  version: number | null;
  readonly start: number;
  end: number | null;
  outcome: OperationOutcome;
}

/** One page of an iteration over keys. */
interface Scan {
  /** Whether a key belongs there. */
  readonly covers: (key: Key) => boolean;
  readonly keys: readonly Key[];
  readonly start: number;
  readonly end: number;
}

/** A value of `bytes` bytes that says who wrote it: `identity;` and bytes that follow from it. */
export function valueBytesOf(identity: string, bytes: number): Uint8Array {
  const value = new Uint8Array(Math.max(bytes, identity.length + 1));
  const first = identity.charCodeAt(0) + identity.charCodeAt(identity.length - 1) * 7;
  for (let i = 0; i < value.length; i += 1) value[i] = (first + i * 11) & 0xff;
  value.set(Buffer.from(`${identity};`));
  return value;
}

/** Who wrote a value. @throws when nobody can have. */
export function identityOf(value: Uint8Array): string {
  const end = value.indexOf(0x3b);
  const identity = Buffer.from(value.subarray(0, Math.max(0, end))).toString("latin1");
  const isWhole = end > 0 && Buffer.compare(valueBytesOf(identity, value.length), value) === 0;
  const text = `a value was read that nobody wrote: ${Buffer.from(value.subarray(0, 40))}`;
  hold(isWhole ? [] : [{ invariant: "I4", text }]);
  return identity;
}

/** The operations of one run. */
export class History {
  readonly entries: Entry[] = [];
  readonly #scans: Scan[] = [];

  begin(
    client: number,
    op: OperationKind,
    key: Key,
    start: number,
    ifVersion: number | null = null,
    value: string | null = null,
  ): Entry {
    const entry: Entry = {
      client,
      op,
      key,
      ifVersion,
      value,
      version: null,
      start,
      end: null,
      outcome: "unknown",
    };
    this.entries.push(entry);
    return entry;
  }

  /** A page of keys() ended, which has those keys that it `covers`. */
  scanned(covers: Scan["covers"], keys: readonly Key[], start: number, end: number): void {
    this.#scans.push({ covers, keys, start, end });
  }

  /**
   * A history that goes on otherwise from here: what was not applied here may come to be applied
   * there, and what is under way may end in any way.
   */
  fork(): History {
    const fork = new History();
    for (const entry of this.entries) {
      const isOpen = entry.outcome === "not-applied" && entry.op !== "get";
      fork.entries.push(isOpen ? { ...entry, outcome: "unknown", end: null } : { ...entry });
    }
    return fork;
  }

  /** The invariants that it breaks. @throws Error when that could not be decided. */
  breaches(): Breach[] {
    const found = historyBreaches(checkLinearizability(this.entries as HistoryOperation[]));
    for (const scan of this.#scans) {
      const problem = this.#scanProblem(scan);
      if (problem === null) continue;
      found.push({ invariant: "I1", text: `keys() from ${scan.start} to ${scan.end} ${problem}` });
    }
    return found;
  }

  #scanProblem(scan: Scan): string | null {
    if (new Set(scan.keys).size !== scan.keys.length) return `named a key twice: ${scan.keys}`;
    for (const key of new Set(this.entries.map((entry) => entry.key))) {
      if (!scan.covers(key)) continue;
      const isNamed = scan.keys.includes(key);
      if (isNamed && !this.#mayBePresent(key, scan)) return `named ${key}, which was never there`;
      if (!isNamed && this.#isPresentThroughout(key, scan)) return `missed ${key}`;
    }
    return null;
  }

  #mayBePresent(key: Key, scan: Scan): boolean {
    return this.entries.some(
      (entry) => entry.key === key && entry.start <= scan.end && isWrite(entry) && mayCount(entry),
    );
  }

  /** Seen or written before the scan, and no delete that can have come since. */
  #isPresentThroughout(key: Key, scan: Scan): boolean {
    const own = this.entries.filter((entry) => entry.key === key);
    const seen = own.filter(
      (entry) => entry.end !== null && entry.end < scan.start && showsPresent(entry),
    );
    const latest = Math.max(-1, ...seen.map((entry) => entry.start));
    const isDeletable = own.some(
      (entry) =>
        entry.op === "delete" &&
        mayCount(entry) &&
        entry.start <= scan.end &&
        (entry.end === null || entry.end >= latest),
    );
    return latest >= 0 && !isDeletable;
  }
}

function isWrite({ op }: Entry): boolean {
  return op === "put" || op === "cas";
}

function mayCount({ outcome }: Entry): boolean {
  return outcome === "ok" || outcome === "unknown";
}

function showsPresent(entry: Entry): boolean {
  return entry.outcome === "ok" && entry.op !== "delete" && entry.value !== null;
}
