// How moves are cut into requests: none is lost, none is larger than a request may be.

import { toKey } from "@pdpm/kv";
import { addressOf, type Pointer, pointerTo } from "@pdpm/layout";
import { batchMost, type Move } from "@pdpm/metadata-server/protocol";
import { expect, test } from "vitest";
import { movesOf, portionsOf } from "./advance.ts";

/** The nth buffer. */
const buffer = (n: number): Pointer => pointerTo(addressOf(1, 64 * n), 1);
const chain = (versions: number): Pointer[] =>
  Array.from({ length: versions }, (_, n) => buffer(n));
const weightOf = (moves: readonly Move[]): number =>
  moves.reduce((sum, { freed }) => sum + 1 + freed.length, 0);

test.each([
  ["many keys", 20_000, 1, 5],
  ["long chains", 30, 5000, 10],
  ["one key", 1, 3, 1],
])("%s: all moves go out, in order, in requests of bounded size", (_, keys, versions, least) => {
  const moves = Array.from({ length: keys }, (_, n) =>
    movesOf(toKey(`key ${n}`), chain(versions), buffer(versions)),
  ).flat();
  const portions = portionsOf(moves);
  expect(portions.flat()).toEqual(moves);
  expect(portions.length).toBeGreaterThanOrEqual(least);
  for (const portion of portions) {
    expect(portion.length).toBeGreaterThan(0);
    expect(portion.length).toBeLessThanOrEqual(batchMost);
    expect(weightOf(portion)).toBeLessThanOrEqual(16_384);
  }
});

test("a chain longer than a move is freed in several, each of which goes on where one ended", () => {
  const moves = movesOf(toKey("key"), chain(batchMost + 2), buffer(batchMost + 2));
  expect(moves.map(({ head, next, freed }) => [head, next, freed.length])).toEqual([
    [buffer(0), buffer(batchMost), batchMost],
    [buffer(batchMost), buffer(batchMost + 2), 2],
  ]);
});
