// The tests of a design's deaths: every scene, at every point, with the power failing as well; of a
// design with a metadata service, that dies at every commit, too. The counts are pinned, so that a
// round more or less is seen. See every-death.ts.

import { expect, test } from "vitest";
import { everyDeath, everyServiceDeath, type ServedScene } from "./every-death.ts";
import { beginNote } from "./evidence/note.ts";
import type { Design } from "./plants/plant.ts";

type Scene = Parameters<typeof everyDeath>[0];

interface Deaths<S> {
  readonly scenes: Readonly<Record<string, S>>;
  /** Rounds and points of each scene, and commits where there is a service. */
  readonly counted: Readonly<Record<string, readonly number[]>>;
}

/** Of a design without a service. */
export function testDeaths(design: Design, deaths: Deaths<Scene>): void {
  testAll(design, deaths, async () => ({}));
}

/** Of a design with one. */
export function testServedDeaths(design: Design, deaths: Deaths<() => Promise<ServedScene>>): void {
  testAll(design, deaths, async (build) => ({ commits: await everyServiceDeath(build) }));
}

function testAll<S extends Scene>(
  design: Design,
  { scenes, counted }: Deaths<S>,
  more: (build: S) => Promise<Readonly<Record<string, number>>>,
): void {
  test("every scene is counted", () => {
    expect(Object.keys(counted).sort()).toEqual(Object.keys(scenes).sort());
  });

  test.each(Object.entries(scenes))("%s", async (name, build) => {
    const note = beginNote("deaths", design, "simulated", name);
    const { rounds, points, images } = await everyDeath(build, true);
    const others = await more(build);
    expect([rounds, points, ...Object.values(others)]).toEqual(counted[name]);
    expect(images).toBeGreaterThan(1);
    note({ rounds, points, images, ...others });
  });
}
