// Of Direct every operation in which a client dies at every point, of the others a few: all of
// theirs, with the power failing as well, are in the *-deaths.long.test.ts. With the power Direct's
// take longer than CI has (direct-deaths.soak.test.ts), but for one.

import { expect, test } from "vitest";
import * as central from "./central-death-scenes.ts";
import * as clover from "./clover-death-scenes.ts";
import * as direct from "./direct-death-scenes.ts";
import { everyDeath, everyServiceDeath, type ServedScene } from "./every-death.ts";

test.each(Object.keys(direct.scenes))("Direct: %s", async (name) => {
  const build = direct.scenes[name];
  if (build === undefined) throw new Error(`no scene is called ${name}`);
  const { rounds, points } = await everyDeath(build, false);
  expect([rounds, points]).toEqual(direct.counted[name]);
});

test("Direct: whoever finishes a dead client's update dies in it, and the power fails", async () => {
  const name = "recovery of a lock by a reader";
  const build = direct.scenes[name];
  if (build === undefined) throw new Error(`no scene is called ${name}`);
  const { rounds, points } = await everyDeath(build, true);
  expect([rounds, points]).toEqual(direct.counted[name]);
});

async function expectCounted(
  build: (() => Promise<ServedScene>) | undefined,
  counted: readonly number[] | undefined,
): Promise<void> {
  if (build === undefined) throw new Error("there is no such scene");
  const { rounds, points } = await everyDeath(build, false);
  expect([rounds, points, await everyServiceDeath(build)]).toEqual(counted);
}

test.each(["insert", "update", "delete", "conditional put, lost", "retire"])("Clover: %s", (name) =>
  expectCounted(clover.scenes[name], clover.counted[name]),
);

test.each(["insert", "update", "delete", "clean"])("Central: %s", (name) =>
  expectCounted(central.scenes[name], central.counted[name]),
);
