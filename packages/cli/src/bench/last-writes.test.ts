// What every record must hold after a run, from what each client was told.

import { expect, test } from "vitest";
import { LastWrites, newestOf } from "./last-writes.ts";

test("the version decides which write is the last, not the order of the answers", () => {
  const writes = new LastWrites(0);
  writes.written(7, 12, 2);
  writes.written(7, 11, 1);
  expect(writes.list()).toEqual([{ recordNumber: 7, version: 12, client: 0, sequence: 2 }]);
});

test("of several clients' last writes the newest counts", () => {
  const [one, two] = [new LastWrites(0), new LastWrites(1)];
  one.written(1, 5, 1);
  two.written(1, 6, 1);
  one.written(2, 9, 2);
  two.written(2, 8, 2);
  const newest = newestOf([one.list(), two.list()]);
  expect(newest).toEqual([
    { recordNumber: 1, version: 6, client: 1, sequence: 1 },
    { recordNumber: 2, version: 9, client: 0, sequence: 2 },
  ]);
});

test("a write in doubt leaves open what the record holds, whoever wrote last", () => {
  const [one, two] = [new LastWrites(0), new LastWrites(1)];
  one.written(1, 5, 1);
  two.doubted(1);
  for (const lists of [
    [one.list(), two.list()],
    [two.list(), one.list()],
  ]) {
    expect(newestOf(lists)).toMatchObject([{ recordNumber: 1, version: 5, sequence: null }]);
  }
});
