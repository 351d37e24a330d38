// What `npm run simulate` is told, and what it refuses: with the names that it knows.

import { expect, test } from "vitest";
import { plants } from "./all-plants.ts";
import { parseOptions, UsageError } from "./options.ts";

test("what is left out", () => {
  const options = parseOptions([]);
  expect(options).toMatchObject({ task: "run", firstSeed: 1, seeds: 200, minutes: undefined });
  expect(options.designs).toEqual(["direct", "central", "clover"]);
  expect(options.plant).toBeUndefined();
  expect(parseOptions(["--seed", "17"])).toMatchObject({ firstSeed: 17, seeds: 1, isOne: true });
  const timed = parseOptions(["--minutes", "3", "--first-seed", "9", "--design", "clover"]);
  expect(timed).toMatchObject({ task: "run", firstSeed: 9, minutes: 3, designs: ["clover"] });
});

test("a plant brings its designs, and more seeds", () => {
  const plant = plants.find(({ designs }) => designs.length === 1);
  if (plant === undefined) throw new Error("some plant is of one design");
  const options = parseOptions(["--plant", plant.name]);
  expect(options).toMatchObject({ seeds: 8000, designs: plant.designs, plant });
});

test.each([
  [["--seeds", "0"], "--seeds 0 would prove nothing"],
  [["--seeds", "many"], "--seeds takes a whole number, not many"],
  [["--first-seed", "-1"], "first-seed"],
  [["--seed", "1.5"], "--seed takes a whole number, not 1.5"],
  [["--seed", "1", "--seeds", "2"], "--seed is one seed"],
  [["--minutes", "1", "--seeds", "2"], "--minutes goes with"],
  [["--minutes", "1", "--seed", "2"], "--minutes goes with"],
  [["--minutes", "1", "--evidence"], "--minutes goes with"],
  [["--minutes", "soon"], "--minutes takes a whole number, not soon"],
  [["--design", "raid"], "no design is called raid; known are: direct, central, clover"],
  [["--design", "direct", "--plant", "seal-skipped"], "known are: clover"],
  [["--list-plants", "--evidence"], "only one of"],
  [["--evidence", "--seed", "1"], "--evidence is of all designs"],
  [["--from", "notes"], "--from is of --evidence"],
  [["--plan", "{}"], "it goes with --seed"],
  [["--seed", "1", "--plan", "[]"], "--plan takes a JSON object, not []"],
  [["--seed", "1", "--plan", "{"], "--plan takes a JSON object, not {"],
  [["--bogus"], "Unknown option '--bogus'"],
  [["bogus"], "bogus"],
])("%j is refused", (args, text) => {
  expect(() => parseOptions(args)).toThrow(UsageError);
  expect(() => parseOptions(args)).toThrow(text);
});

test("an unknown plant is refused with all that are known", () => {
  let message = "";
  try {
    parseOptions(["--plant", "no-such"]);
  } catch (error) {
    message = String(error);
  }
  expect(message).toContain("no plant is called no-such");
  for (const { name } of plants) expect(message).toContain(`  ${name}\n`.trimEnd());
});
