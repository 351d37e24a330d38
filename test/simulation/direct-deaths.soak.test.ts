// A Direct client dies at every point of each of its operations, and the power with it.
// See every-death.ts.

import { expect, test } from "vitest";
import { counted, scenes } from "./direct-death-scenes.ts";
import { everyDeath } from "./every-death.ts";
import { beginNote } from "./evidence/note.ts";

test("every scene is counted", () => {
  expect(Object.keys(counted).sort()).toEqual(Object.keys(scenes).sort());
});

test.each(Object.entries(scenes))("%s", async (name, build) => {
  const note = beginNote("deaths", "direct", "simulated", name);
  const { rounds, points, images } = await everyDeath(build, true);
  expect([rounds, points]).toEqual(counted[name]);
  expect(images).toBeGreaterThan(1);
  note({ rounds, points, images });
});
