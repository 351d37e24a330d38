// A Clover client dies at every point of each of its operations, and the power with it. The
// metadata service dies at every commit.
// See every-death.ts.

import { expect, test } from "vitest";
import { counted, scenes } from "./clover-death-scenes.ts";
import { everyDeath, everyServiceDeath } from "./every-death.ts";
import { beginNote } from "./evidence/note.ts";

test("every scene is counted", () => {
  expect(Object.keys(counted).sort()).toEqual(Object.keys(scenes).sort());
});

test.each(Object.entries(scenes))("%s", async (name, build) => {
  const note = beginNote("deaths", "clover", "simulated", name);
  const { rounds, points, images } = await everyDeath(build, true);
  const commits = await everyServiceDeath(build);
  expect([rounds, points, commits]).toEqual(counted[name]);
  expect(images).toBeGreaterThan(1);
  note({ rounds, points, images, commits });
});
