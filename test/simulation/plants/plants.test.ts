// Planted bugs do not rot: each finds its place in the sources as they stand.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { top } from "../../tidy/files.ts";
import { plants } from "./all-plants.ts";
import { readCaught } from "./caught.ts";
import { changed, changesOf } from "./plant.ts";
import { secondLines } from "./second-lines.ts";
import { tableText } from "./table.ts";

test.each(plants)("$name is planted where it says", (plant) => {
  for (const change of changesOf(plant)) {
    const text = readFileSync(join(top, change.file), "utf8");
    expect(changed(text, change)).not.toBe(text);
  }
});

test("plants have names of their own", () => {
  expect(new Set(plants.map(({ name }) => name)).size).toBe(plants.length);
});

test("the tests of what has no plant are there", () => {
  const named = secondLines.flatMap(({ test: file }) => file ?? []);
  for (const file of named) expect(existsSync(join(top, file)), file).toBe(true);
});

test("every plant is caught in each of its designs", () => {
  const caught = readCaught(top);
  const escaped = plants.flatMap(({ name, designs }) =>
    designs.filter((design) => caught[name]?.[design] === undefined).map((one) => [name, one]),
  );
  expect(escaped).toEqual([]);
});

test("docs/plants.md is what is noted", () => {
  expect(readFileSync(join(top, "docs/plants.md"), "utf8")).toBe(tableText(readCaught(top)));
});
