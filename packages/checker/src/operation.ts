// One operation of a history: what a client asked for, what it was told, and when. This is the
// record of design section 6; what it means for linearizability stands in step.ts.

/** What the client asked for; `cas` is a conditional put. */
export type OperationKind = "put" | "get" | "delete" | "cas";

/**
 * What the client was told. `ok`: it took effect between `start` and `end`. `conflict`: its
 * condition did not hold. `not-applied`: it never took effect. `unknown`: it took effect at some
 * time after `start`, be it after the client gave up, or never.
 */
export type OperationOutcome = "ok" | "conflict" | "not-applied" | "unknown";

/** One operation of one client on one key, field by field as it stands in a history file. */
export interface Operation {
  readonly client: number;
  readonly op: OperationKind;
  readonly key: string;
  /** The version the operation depends on; 0: the key must not exist; null: unconditional. */
  readonly ifVersion: number | null;
  /** The identity of the value written or read; null for a delete and for a key found missing. */
  readonly value: string | null;
  /**
   * The commit number written or read. A delete carries the number it deleted, null when the key
   * was missing. A conflict carries the number it found, 0 for a missing key, null when not
   * recorded.
   */
  readonly version: number | null;
  /** Nanoseconds since the run's start, on the host's one monotonic clock. */
  readonly start: number;
  /** The same clock; null when no answer came. */
  readonly end: number | null;
  readonly outcome: OperationOutcome;
}

const kinds: readonly unknown[] = ["put", "get", "delete", "cas"];
const outcomes: readonly unknown[] = ["ok", "conflict", "not-applied", "unknown"];

function isInteger(value: unknown, least: number): boolean {
  return Number.isSafeInteger(value) && (value as number) >= least;
}

function invalidFields(fields: Partial<Record<keyof Operation, unknown>>): string | null {
  const { client, op, key, ifVersion, value, version, start, end, outcome } = fields;
  if (!isInteger(client, 0)) return "client is not an integer of at least 0";
  if (!kinds.includes(op)) return "op is not put, get, delete or cas";
  if (typeof key !== "string" || key === "") return "key is not a text of at least one character";
  if (ifVersion !== null && !isInteger(ifVersion, 0)) {
    return "ifVersion is neither null nor an integer of at least 0";
  }
  if (value !== null && (typeof value !== "string" || value === "")) {
    return "value is neither null nor a text of at least one character";
  }
  if (version !== null && !isInteger(version, 0)) {
    return "version is neither null nor an integer of at least 0";
  }
  if (!Number.isFinite(start)) return "start is not a number";
  if (end !== null && !Number.isFinite(end)) return "end is neither null nor a number";
  if (!outcomes.includes(outcome)) return "outcome is not ok, conflict, not-applied or unknown";
  return null;
}

function invalidRequest(operation: Operation): string | null {
  const { op, ifVersion, value } = operation;
  if (op === "cas" && ifVersion === null) return "a cas needs an ifVersion";
  if ((op === "put" || op === "get") && ifVersion !== null) return `a ${op} has no ifVersion`;
  if ((op === "put" || op === "cas") && value === null) return `a ${op} needs a value`;
  if (op === "delete" && value !== null) return "a delete has no value";
  return null;
}

function invalidAnswer(operation: Operation): string | null {
  const { op, ifVersion, value, version, start, end, outcome } = operation;
  if (end === null && outcome !== "unknown")
    return `an operation that ended ${outcome} needs an end`;
  if (end !== null && end < start) return "end is before start";
  if (outcome === "unknown" || outcome === "not-applied") {
    if (version !== null) return `an operation that ended ${outcome} has no version`;
    if (op === "get" && value !== null) return `a get that ended ${outcome} has no value`;
    return null;
  }
  if (outcome === "conflict") {
    if (ifVersion === null) return "a conflict needs an ifVersion";
    return version === ifVersion ? "a conflict cannot have found the version it wanted" : null;
  }
  if (version === 0) return "a version is at least 1";
  if (op === "get" && value === null && version !== null) return "a missing key has no version";
  return null;
}

/** Says what is wrong with `candidate` as an operation, or null when nothing is. */
export function invalidOperation(candidate: object): string | null {
  const reason = invalidFields(candidate);
  if (reason !== null) return reason;
  const operation = candidate as Operation;
  return invalidRequest(operation) ?? invalidAnswer(operation);
}
