// Random histories of one key: good ones, by letting every operation happen at one moment, and
// edits that may break them.

import { assert, type Prng } from "@pdpm/base";
import { invalidOperation, type Operation } from "../operation.ts";
import { holds, type State } from "./brute-force.ts";

/** How the histories of one round are made. */
export interface Shape {
  readonly operationCount: number;
  readonly versions: "all" | "some" | "none";
  readonly valueCount: number;
  readonly unknown: number;
  /** Chance that a conflict says what it found. */
  readonly found?: number;
}

/** Makes histories that some order explains, one operation after the other. */
export class Maker {
  readonly #prng: Prng;
  readonly #shape: Shape;
  #state: State = { value: null, version: 0, last: 0 };
  #sequence = 0;

  constructor(prng: Prng, shape: Shape) {
    this.#prng = prng;
    this.#shape = shape;
  }

  /** A history that some order explains: every operation happens at one moment, in this order. */
  make(): Operation[] {
    const operations: Operation[] = [];
    for (let i = 0; i < this.#shape.operationCount; i += 1) {
      const moment = 30 * (i + 1);
      const start = moment - this.#prng.below(50);
      const end = moment + this.#prng.below(50);
      const operation = this.#happen({ client: this.#prng.below(3), key: "k", start, end });
      const reason = invalidOperation(operation);
      assert(reason === null, `made an invalid operation: ${reason}`);
      operations.push(operation);
    }
    return operations;
  }

  #happen(when: Pick<Operation, "client" | "key" | "start" | "end">): Operation {
    const prng = this.#prng;
    const op = prng.chance(0.35)
      ? "get"
      : prng.chance(0.5)
        ? "put"
        : prng.chance(0.5)
          ? "cas"
          : "delete";
    const conditional = op === "cas" || (op === "delete" && prng.chance(0.4));
    const ifVersion = conditional ? this.#guess() : null;
    const value = op === "put" || op === "cas" ? this.#value() : null;
    const asked = { ...when, op, ifVersion, value, version: null } as const;
    if (prng.chance(this.#shape.unknown)) {
      if (prng.chance(0.5) && holds(this.#state, ifVersion)) this.#apply(op, value);
      const end = prng.chance(0.5) ? null : asked.end;
      return prng.chance(0.2) && op === "get"
        ? { ...asked, outcome: "not-applied" }
        : { ...asked, end, outcome: "unknown" };
    }
    const found = this.#state.value === null ? 0 : this.#state.version;
    if (!holds(this.#state, ifVersion)) {
      const version = prng.chance(this.#shape.found ?? 0.5) ? this.#record(found) : null;
      return { ...asked, version, outcome: "conflict" };
    }
    if (op === "get") {
      const version = found === 0 ? null : this.#record(found);
      return { ...asked, value: this.#state.value, version, outcome: "ok" };
    }
    this.#apply(op, value);
    const version = op === "delete" ? found || null : this.#state.version;
    return { ...asked, version: version && this.#record(version), outcome: "ok" };
  }

  #apply(op: string, value: string | null): void {
    if (op === "delete") this.#state = { ...this.#state, value: null, version: 0 };
    if (op === "get" || op === "delete") return;
    const version = this.#state.last + 1 + (this.#prng.chance(0.3) ? 1 : 0);
    this.#state = { value, version, last: version };
  }

  #guess(): number {
    if (this.#prng.chance(0.6)) return this.#state.value === null ? 0 : this.#state.version;
    return this.#prng.below(this.#state.last + 2);
  }

  #value(): string {
    this.#sequence += 1;
    const { valueCount } = this.#shape;
    return `0:${valueCount === 0 ? this.#sequence : this.#prng.below(valueCount)}`;
  }

  #record(version: number): number | null {
    const { versions } = this.#shape;
    if (versions === "all") return version;
    return versions === "none" || this.#prng.chance(0.5) ? null : version;
  }
}

/** Edits one operation, which may or may not break the history; false if the edit made no sense. */
function mutate(prng: Prng, operations: Operation[]): boolean {
  const index = prng.below(operations.length);
  const operation = operations[index];
  const other = operations[prng.below(operations.length)];
  assert(operation !== undefined && other !== undefined, "a history is not empty");
  const near = (version: number | null) => (version ?? prng.below(5)) + prng.below(3) - 1;
  const edits: (() => Partial<Operation>)[] = [
    () => ({ version: near(operation.version) }),
    () => ({ version: other.version }),
    () => ({ ifVersion: near(operation.ifVersion) }),
    () => ({ value: other.value }),
    () => ({ value: null, version: null }),
    () => ({ start: other.start, end: other.end }),
    () => ({ start: operation.start + prng.below(90), end: (operation.end ?? 0) + 90 }),
    () => ({ start: operation.start - 90, end: (operation.end ?? 0) - prng.below(90) }),
    () => ({ outcome: "unknown", version: null }),
    () => ({ outcome: "not-applied", version: null, end: operation.end ?? operation.start }),
    () => ({ outcome: "conflict" }),
    () => ({ outcome: "ok", end: operation.end ?? operation.start + 20 }),
  ];
  const edit = edits[prng.below(edits.length)];
  const edited = { ...operation, ...edit?.() };
  const same = JSON.stringify(edited) === JSON.stringify(operation);
  if (same || invalidOperation(edited) !== null) return false;
  operations[index] = edited;
  return true;
}

/** Edits a few operations of a history. */
export function mutateSome(prng: Prng, operations: Operation[]): void {
  let tries = 40;
  for (let edits = 1 + prng.below(4); edits > 0; edits -= 1) {
    while (!mutate(prng, operations) && tries > 0) tries -= 1;
  }
}
