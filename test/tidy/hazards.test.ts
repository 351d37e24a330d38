// Every hazard of the design has a test that says which it is: a planted bug, whose test carries
// its number (test/simulation/plants), or a test whose title begins with it. H13 comes with
// replicas.

import { expect, test } from "vitest";
import { plants } from "../simulation/plants/all-plants.ts";
import { sourceFiles } from "./files.ts";

const hazardCount = 24;
const later: readonly string[] = ["H13"];

test("each hazard has a test that names it", () => {
  const named = new Set<string>(plants.map(({ hazard }) => hazard));
  for (const { path, lines } of sourceFiles()) {
    if (!path.endsWith(".test.ts")) continue;
    for (const line of lines) {
      const hazard = /^test\("(H\d+): /.exec(line)?.[1];
      if (hazard !== undefined) named.add(hazard);
    }
  }
  const all = Array.from({ length: hazardCount }, (_, i) => `H${i + 1}`);
  expect(all.filter((hazard) => !named.has(hazard))).toEqual(later);
});
