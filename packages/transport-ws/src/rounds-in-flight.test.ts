// Held against a Map, with rounds that are answered late, some by more than a ring.

import { Prng } from "@pdpm/base";
import { expect, test } from "vitest";
import { RoundsInFlight } from "./rounds-in-flight.ts";

test("a round is found by its number from add to delete, however many overtake it", () => {
  const prng = new Prng(7);
  const rounds = new RoundsInFlight<{ id: number }>();
  const expected = new Map<number, { id: number }>();
  // Through the wrap of the numbers.
  let id = 2 ** 32 - 20_000;
  for (let turn = 0; turn < 40_000; turn += 1) {
    const round = { id };
    id = (id + 1) >>> 0;
    rounds.add(round);
    expected.set(round.id, round);
    // One in a hundred stays for good.
    for (const other of expected.values()) {
      if (expected.size < 100 || other.id % 100 === 0) break;
      rounds.delete(other);
      expected.delete(other.id);
    }
    if (prng.chance(0.9) && round.id % 100 !== 0) {
      rounds.delete(round);
      expected.delete(round.id);
    }
    expect(rounds.size).toBe(expected.size);
    const asked = (round.id - prng.below(10_000)) >>> 0;
    expect(rounds.get(asked)).toBe(expected.get(asked));
  }
  expect(expected.size).toBeGreaterThan(300);
  for (const round of expected.values()) expect(rounds.get(round.id)).toBe(round);
  const byNumber = (a: { id: number }, b: { id: number }): number => a.id - b.id;
  expect(rounds.clear().sort(byNumber)).toEqual([...expected.values()].sort(byNumber));
  expect([rounds.size, rounds.get(id)]).toEqual([0, undefined]);
});
