// The invariants as functions: each is broken by what breaks it and by nothing else.
import { hold, type InvariantId, invariantName, isInvariantBroken } from "@pdpm/base";
import { expect, test } from "vitest";
import {
  historyBreaches,
  noDeletedValueReturns,
  noWriteIsLost,
  operationsHaveAnOrder,
  valuesAreWritten,
  versionsGrow,
} from "./history-invariants.ts";
import { type CheckResult, checkLinearizability } from "./linearizability.ts";
import {
  everythingEnds,
  recoveryIsIdempotent,
  recoveryIsInTime,
  seedsSayTheSame,
  tornIsNotBelieved,
} from "./run-invariants.ts";
import {
  indexAndDataAgree,
  liveVerifies,
  numbersOnlyGrow,
  type StoreAccount,
  spaceIsExact,
  storeBreaches,
} from "./store-invariants.ts";
import { badHistories } from "./testing/bad-histories.ts";
import { parseText } from "./testing/history-text.ts";

const ofHistories = {
  I1: operationsHaveAnOrder,
  I2: noWriteIsLost,
  I3: noDeletedValueReturns,
  I4: valuesAreWritten,
  I12: versionsGrow,
};

test("a bad history breaks one invariant, and its good twin none; each is broken by some", () => {
  const broken = new Set<InvariantId>();
  for (const { title, bad, good } of badHistories) {
    const result = checkLinearizability(parseText(bad));
    const own = Object.entries(ofHistories).filter(([, of]) => of(result).length > 0);
    expect(own.length, title).toBe(1);
    const [breach, ...others] = historyBreaches(result);
    expect(others).toEqual([]);
    expect(breach?.invariant).toBe(own[0]?.[0]);
    expect(breach?.text).toContain(result.ok ? "" : result.reason);
    broken.add(breach?.invariant as InvariantId);
    expect(historyBreaches(checkLinearizability(parseText(good))), title).toEqual([]);
  }
  expect([...broken].sort()).toEqual(["I1", "I12", "I2", "I3", "I4"]);
});

test.each([
  ["a put that is gone", "1 0-9 put a 1; 2 10-19 get -", "I2"],
  [
    "two writes that replaced one version",
    "1 0-9 put a 1; 1 10-19 cas 1 b 2; 2 10-19 cas 1 c 3",
    "I2",
  ],
  ["a deleted value", "1 0-9 put a 1; 1 10-19 del 1; 2 20-29 get a 1", "I3"],
  ["a value of nobody", "1 0-9 put a 1; 2 10-19 get z 1", "I4"],
  ["one version twice", "1 0-9 put a 1; 2 0-9 put b 1", "I12"],
  ["an old value", "1 0-9 put a 1; 1 10-19 put b 2; 2 20-29 get a 1", "I1"],
] as const)("%s breaks %s", (_what, text, invariant) => {
  const [breach] = historyBreaches(checkLinearizability(parseText(text)));
  expect(breach?.invariant).toBe(invariant);
});

test("what could not be decided says nothing of the store", () => {
  const undecided = {
    ok: false,
    undecided: true,
    key: "k",
    mistake: null,
    reason: "the bound",
    operations: [],
    shrunk: false,
    keyOperations: 9,
  } satisfies CheckResult;
  expect(() => historyBreaches(undecided)).toThrow("undecided: the bound");
  for (const of of Object.values(ofHistories)) expect(of(undecided)).toEqual([]);
});

const sound: StoreAccount = {
  problems: [],
  keys: 3,
  cellsLive: 5,
  cellsOfIndex: 2,
  cellsUncommitted: 0,
  heldBy: [],
  clientsLeft: [],
};

test.each([
  [{ cellsLive: 6 }, "6 live cells for 3 keys and 2 cells of the index"],
  [{ cellsLive: 4 }, "4 live cells for 3 keys and 2 cells of the index"],
  [{ keys: 2 }, "5 live cells for 2 keys and 2 cells of the index"],
  [{ cellsOfIndex: 0 }, "5 live cells for 3 keys and 0 cells of the index"],
  [{ cellsUncommitted: 1 }, "1 cells belong to no key"],
  [{ heldBy: [4, 7] }, "something is held by clients 4, 7"],
  [{ clientsLeft: [9] }, "clients 9 are still on record"],
])("space is exact, but for %j", (change, text) => {
  expect(spaceIsExact(sound)).toEqual([]);
  const account = { ...sound, ...change };
  expect(spaceIsExact(account)).toEqual([{ invariant: "I8", text }]);
  expect(storeBreaches(account)).toEqual([{ invariant: "I8", text }]);
});

test.each([
  ["I5", liveVerifies],
  ["I8", spaceIsExact],
  ["I9", indexAndDataAgree],
  ["I12", numbersOnlyGrow],
] as const)("what an audit found counts for %s alone", (invariant, own) => {
  const problem = { invariant, text: "a place" };
  const account = { ...sound, problems: [problem] };
  expect(own(account)).toEqual([problem]);
  expect(storeBreaches(account)).toEqual([problem]);
  const all = [liveVerifies, spaceIsExact, indexAndDataAgree, numbersOnlyGrow];
  for (const other of all.filter((one) => one !== own)) expect(other(account)).toEqual([]);
});

test("a recovery is made again: every byte is compared, and the length", () => {
  const once = Uint8Array.of(1, 2, 3);
  expect(recoveryIsIdempotent(once, Uint8Array.of(1, 2, 3))).toEqual([]);
  for (const [twice, at] of [
    [Uint8Array.of(0, 2, 3), 0],
    [Uint8Array.of(1, 2, 4), 2],
    [Uint8Array.of(1, 2), 2],
    [Uint8Array.of(1, 2, 3, 0), 3],
  ] as const) {
    const text = `a second recovery changes byte ${at} of 3`;
    expect(recoveryIsIdempotent(once, twice)).toEqual([{ invariant: "I6", text }]);
  }
});

test("a seed is run again: trace, steps and random numbers are compared", () => {
  const run = { trace: ["a", "b"], steps: 7, nextRandom: 9 };
  expect(seedsSayTheSame(run, { ...run, trace: ["a", "b"] })).toEqual([]);
  const texts = (other: Partial<typeof run>): string[] =>
    seedsSayTheSame(run, { ...run, ...other }).map(({ text }) => text);
  expect(texts({ trace: ["a", "c"] })).toEqual(['line 1: "b", and then "c"']);
  expect(texts({ trace: ["a"] })).toEqual(['line 1: "b", and then "undefined"']);
  expect(texts({ steps: 8 })).toEqual(["it took 7 steps, and then 8"]);
  expect(texts({ nextRandom: 8 })).toEqual(["its random numbers go on otherwise"]);
});

test("what is believed though torn, waits for ever, or is late", () => {
  expect(tornIsNotBelieved([])).toEqual([]);
  expect(tornIsNotBelieved(["image 3"])[0]?.invariant).toBe("I5");
  expect(everythingEnds([])).toEqual([]);
  expect(everythingEnds(["client 1"])[0]?.invariant).toBe("I7");
  expect(recoveryIsInTime("a node", 500, 500)).toEqual([]);
  expect(recoveryIsInTime("a node", 501, 500)[0]?.invariant).toBe("I10");
});

test("what is held to is thrown with its invariants, and known again by another copy", () => {
  expect(() => hold([], [])).not.toThrow();
  const breach = (invariant: InvariantId) => ({ invariant, text: `of ${invariant}` });
  const thrown = (): unknown => {
    try {
      hold([], [breach("I8")], [breach("I2")]);
    } catch (error) {
      return error;
    }
    return undefined;
  };
  const error = thrown();
  expect(isInvariantBroken(error) && error.invariant).toBe("I8");
  expect(String(error)).toContain("I8: of I8\nI2: of I2");
  expect(isInvariantBroken(new Error("I8"))).toBe(false);
  expect(invariantName("I8")).toMatch(/^I8 every cell is one thing/);
});
