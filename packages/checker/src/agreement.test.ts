// The deciders against a brute force that knows nothing of their tricks: it tries every order of a
// small history, with every number an unrecorded version could have.
import { assert as assertTrue, Prng } from "@pdpm/base";
import { expect, test } from "vitest";
import { checkKey } from "./linearizability.ts";
import { invalidOperation, type Operation } from "./operation.ts";
import { checkBySearch } from "./search.ts";
import { type Step, toStep } from "./step.ts";
import { checkByVersionOrder } from "./version-order.ts";

interface State {
  readonly value: string | null;
  readonly version: number;
  readonly last: number;
}

function holds(state: State, ifVersion: number | null): boolean {
  if (ifVersion === null) return true;
  return ifVersion === 0
    ? state.value === null
    : state.value !== null && state.version === ifVersion;
}

function writes(state: State, operation: Operation, cap: number): State[] {
  if (!holds(state, operation.ifVersion)) return [];
  const next: State[] = [];
  for (let version = state.last + 1; version <= cap; version += 1) {
    if (operation.version === null || operation.version === version) {
      next.push({ value: operation.value, version, last: version });
    }
  }
  return next;
}

function deletes(state: State, operation: Operation, versioned: boolean): State[] {
  const gone = { value: null, version: 0, last: state.last };
  const { ifVersion, version, outcome } = operation;
  if (version !== null) return holds(state, version) && holds(state, ifVersion) ? [gone] : [];
  if (outcome === "ok" && (versioned || state.value === null)) {
    return state.value === null ? [state] : [];
  }
  return holds(state, ifVersion) ? [gone] : [];
}

function after(state: State, operation: Operation, cap: number, versioned: boolean): State[] {
  const { op, value, version, ifVersion, outcome } = operation;
  if (outcome === "conflict") {
    const fits = version === null ? !holds(state, ifVersion) : holds(state, version);
    return fits ? [state] : [];
  }
  if (op === "delete") return deletes(state, operation, versioned);
  if (op !== "get") return writes(state, operation, cap);
  if (outcome === "unknown") return [state];
  if (value !== state.value) return [];
  return version === null || version === state.version ? [state] : [];
}

function isLinearizable(operations: readonly Operation[], versioned: boolean): boolean {
  const left = new Set(operations.filter((operation) => operation.outcome !== "not-applied"));
  const mentioned = operations.flatMap((operation) => [operation.version, operation.ifVersion]);
  const cap = Math.max(...mentioned.map((version) => version ?? 0)) + operations.length;
  const search = (state: State): boolean => {
    const certain = [...left].filter((operation) => operation.outcome !== "unknown");
    if (certain.length === 0) return true;
    const firstEnd = Math.min(...certain.map((operation) => operation.end ?? 0));
    for (const operation of [...left]) {
      if (operation.start > firstEnd) continue;
      left.delete(operation);
      const found = after(state, operation, cap, versioned).some(search);
      left.add(operation);
      if (found) return true;
    }
    return false;
  };
  return search({ value: null, version: 0, last: 0 });
}

/** How the histories of one round are made. */
interface Shape {
  readonly operationCount: number;
  readonly versions: "all" | "some" | "none";
  readonly valueCount: number;
  readonly unknown: number;
  /** Chance that a conflict says what it found. */
  readonly found?: number;
}

class Maker {
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
      expect(invalidOperation(operation)).toBeNull();
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
  assertTrue(operation !== undefined && other !== undefined, "a history is not empty");
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

function mutateSome(prng: Prng, operations: Operation[]): void {
  let tries = 40;
  for (let edits = 1 + prng.below(4); edits > 0; edits -= 1) {
    while (!mutate(prng, operations) && tries > 0) tries -= 1;
  }
}

function stepsOf(operations: readonly Operation[], versioned: boolean): Step[] {
  return operations
    .map((operation) => toStep(operation, versioned))
    .filter((step): step is Step => step !== null);
}

interface Tally {
  good: number;
  bad: number;
  settledByVersions: number;
}

/** Self-contradicting answers are refused before the deciders see them; brute force just fails. */
function compare(operations: readonly Operation[], versioned: boolean, tally: Tally): void {
  const expected = isLinearizable(operations, versioned) ? "linearizable" : "violation";
  tally[expected === "linearizable" ? "good" : "bad"] += 1;
  const note = () => JSON.stringify({ versioned, operations }, null, 1);
  const verdict = checkKey(operations, versioned, 100_000);
  if (verdict.kind !== expected) expect.fail(`whole: ${verdict.kind} not ${expected} ${note()}`);
  if (verdict.kind === "violation") expect(verdict.operations.length).toBeGreaterThan(0);
  const contradicts = operations.some(
    ({ op, outcome, ifVersion, version }) =>
      op === "delete" &&
      outcome === "ok" &&
      ifVersion !== null &&
      (version ?? ifVersion) !== ifVersion,
  );
  if (contradicts) return;
  const steps = stepsOf(operations, versioned);
  const searched = checkBySearch(steps, 100_000).kind;
  if (searched !== expected) expect.fail(`search: ${searched} not ${expected} ${note()}`);
  const fast = checkByVersionOrder(steps).kind;
  if (fast === "undecided") return;
  tally.settledByVersions += 1;
  if (fast !== expected) expect.fail(`versions: ${fast} not ${expected} ${note()}`);
}

/** PDPM_ROUNDS=50 makes it a long run: a million histories and more. */
const rounds = Number(process.env["PDPM_ROUNDS"] ?? 1);

function compareMany(seed: string, count: number, shape: Omit<Shape, "operationCount">): Tally {
  const prng = new Prng(`${process.env["PDPM_SEED"] ?? ""}${seed}`);
  const tally: Tally = { good: 0, bad: 0, settledByVersions: 0 };
  for (let i = 0; i < count * rounds; i += 1) {
    const maker = new Maker(prng, {
      ...shape,
      operationCount: 1 + Math.max(prng.below(6), prng.below(6)),
    });
    const operations = maker.make();
    const versioned = shape.versions !== "none";
    const before = tally.good;
    // A delete that lost its version looks like one that found nothing: not good by construction.
    if (shape.versions !== "some") {
      compare(operations, versioned, tally);
      expect(tally.good, "good by construction").toBe(before + 1);
    }
    mutateSome(prng, operations);
    compare(operations, versioned, tally);
  }
  return tally;
}

test("histories with versions are decided as by brute force, mostly without a search", () => {
  const shape = { versions: "all", valueCount: 0, unknown: 0.25 } as const;
  const tally = compareMany("versions", 4000, shape);
  expect(tally.good).toBeGreaterThan(4000);
  expect(tally.bad).toBeGreaterThan(1000);
  expect(tally.settledByVersions).toBeGreaterThan(5000);
});

test("histories with many unknown outcomes are decided as by brute force", () => {
  const tally = compareMany("unknown", 3000, { versions: "all", valueCount: 0, unknown: 0.5 });
  expect(tally.bad).toBeGreaterThan(500);
});

test("histories with values written twice are decided as by brute force", () => {
  const tally = compareMany("twins", 2000, { versions: "all", valueCount: 2, unknown: 0.3 });
  expect(tally.bad).toBeGreaterThan(500);
});

test("histories with some versions lost are decided as by brute force", () => {
  const unique = compareMany("lost", 2000, { versions: "some", valueCount: 0, unknown: 0.3 });
  expect(unique.bad).toBeGreaterThan(300);
  const twins = compareMany("lost twins", 2000, { versions: "some", valueCount: 2, unknown: 0.3 });
  expect(twins.bad).toBeGreaterThan(300);
});

test("histories without versions are decided as by brute force", () => {
  const unique = compareMany("none", 2000, { versions: "none", valueCount: 0, unknown: 0.3 });
  expect(unique.bad).toBeGreaterThan(300);
  const twins = compareMany("none twins", 2000, { versions: "none", valueCount: 2, unknown: 0.3 });
  expect(twins.bad).toBeGreaterThan(300);
});

test("on longer histories the search agrees with the version order and gets to an end", () => {
  const prng = new Prng(`${process.env["PDPM_SEED"] ?? ""}longer`);
  const found = { linearizable: 0, violation: 0, undecided: 0 };
  for (let i = 0; i < 300 * rounds; i += 1) {
    const [unknown, saysFound] = [0.02 * prng.below(6), prng.chance(0.7) ? 1 : 0.5];
    const shape = { versions: "all", valueCount: 0, unknown, found: saysFound } as const;
    const operations = new Maker(prng, { ...shape, operationCount: 20 + prng.below(100) }).make();
    const edited = prng.chance(0.5);
    if (edited) mutateSome(prng, operations);
    const steps = stepsOf(operations, true);
    const fast = checkByVersionOrder(steps).kind;
    found[fast] += 1;
    const searched = checkBySearch(steps, 100_000).kind;
    expect(searched).not.toBe("undecided");
    if (!edited) expect(searched).toBe("linearizable");
    if (fast === "undecided" || searched === fast) continue;
    expect.fail(`${searched} not ${fast} ${JSON.stringify(operations)}`);
  }
  expect(found.linearizable).toBeGreaterThan(50);
  expect(found.violation).toBeGreaterThan(50);
  expect(found.undecided).toBeGreaterThan(20);
});
