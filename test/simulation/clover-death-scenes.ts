// What a Clover client may be doing when it dies, or when the metadata service does: one scene per
// operation. What is in a table here is what clover-deaths tests go through.

import { assert } from "@pdpm/base";
import { collectAll, handBack, pulse, reapClient, refill, retireAll, work } from "@pdpm/clover";
import { bufferClassFor } from "@pdpm/layout";
import { CloverDeaths } from "./clover-deaths.ts";

const names = ["warm", "new", "third", "fourth"];

/** Sets the scene, and says what the client that may die does. */
type Setting = (world: CloverDeaths) => Promise<() => Promise<unknown>>;

/** "warm" was written by the client that may die, "third" by the other, "fourth" deleted. */
async function settle(world: CloverDeaths): Promise<void> {
  const { dying, other } = world;
  assert(other !== undefined, "somebody lives");
  await world.put(dying, "warm");
  await world.put(other, "third");
  await world.put(other, "fourth");
  await world.delete(other, "fourth");
  await world.telling.get(other.id, other.backend, "warm");
}

async function versionOf(world: CloverDeaths, name: string): Promise<number> {
  const { dying, telling } = world;
  return (await telling.get(dying.id, dying.backend, name))?.version ?? 0;
}

/** The client supersedes versions that it does not report. */
async function supersede(world: CloverDeaths): Promise<void> {
  for (let i = 0; i < 3; i += 1) await world.put(world.dying, "warm");
  await world.put(world.dying, "new");
  await world.delete(world.dying, "new");
}

const settings: Readonly<Record<string, Setting>> = {
  insert: async (world) => () => world.put(world.dying, "new"),
  "insert of a deleted key": async (world) => () => world.put(world.dying, "fourth"),
  update: async (world) => () => world.put(world.dying, "warm"),
  "update behind another's": async (world) => {
    if (world.other !== undefined) await world.put(world.other, "warm");
    return () => world.put(world.dying, "warm");
  },
  delete: async (world) => () => world.delete(world.dying, "warm"),
  "conditional put, won": async (world) => {
    const version = await versionOf(world, "warm");
    return () => world.put(world.dying, "warm", 20, version);
  },
  "conditional put, lost": async (world) => {
    const version = await versionOf(world, "warm");
    if (world.other !== undefined) await world.put(world.other, "warm");
    return () => world.put(world.dying, "warm", 20, version);
  },
  refill: async (world) => () => world.dying.run((context) => refill(context, bufferClassFor(200))),
  growth: async (world) => () => world.put(world.dying, "new", 900),
  retire: async (world) => {
    await supersede(world);
    return () => world.dying.run(retireAll);
  },
  work: async (world) => {
    await supersede(world);
    return () => world.dying.run(work);
  },
  pulse: async (world) => () => world.dying.run(pulse),
  "hand back": async (world) => () => world.dying.run((context) => handBack(context, () => true)),
  collect: async (world) => {
    await supersede(world);
    return () => world.dying.run(collectAll);
  },
  "recovery of a dead client": async (world) => {
    const dead = await world.client();
    await world.put(dead, "warm");
    await world.put(dead, "new");
    dead.mortal.arm({ round: 1, kept: [2] });
    await Promise.race([world.put(dead, "warm"), dead.mortal.died]);
    return () => world.dying.run((context) => reapClient(context, dead.id));
  },
};

/** The store has no chunk left, and what is in two of them has room in one. */
async function buildFull(): Promise<CloverDeaths> {
  const world = await CloverDeaths.build({ chunksMost: 5, names });
  await settle(world);
  const { dying } = world;
  const others = Array.from({ length: 4 }, (_, i) => `other ${i}`);
  for (const name of others) await world.put(dying, name, 900);
  for (const name of others.slice(1)) await world.delete(dying, name);
  await world.put(dying, "third", 900);
  await dying.run((context) => handBack(context, () => true));
  await world.leave();
  world.act = () => world.put(dying, "new", 1900);
  return world;
}

/** Every scene, by name. */
export const scenes: Readonly<Record<string, () => Promise<CloverDeaths>>> = {
  ...Object.fromEntries(
    Object.entries(settings).map(([name, set]) => [
      name,
      async (): Promise<CloverDeaths> => {
        const world = await CloverDeaths.build({ chunksMost: 10, names });
        await settle(world);
        world.act = await set(world);
        return world;
      },
    ]),
  ),
  "make space": buildFull,
};

/** Of each: its rounds, the points at which its client dies, the commits of the service. */
export const counted: Readonly<Record<string, readonly [number, number, number]>> = {
  insert: [4, 8, 1],
  "insert of a deleted key": [11, 16, 2],
  update: [2, 6, 0],
  "update behind another's": [6, 12, 0],
  delete: [1, 4, 0],
  "conditional put, won": [2, 6, 0],
  "conditional put, lost": [4, 7, 0],
  refill: [6, 6, 3],
  growth: [10, 13, 4],
  retire: [7, 11, 2],
  work: [11, 14, 4],
  pulse: [2, 3, 1],
  "hand back": [1, 2, 1],
  collect: [11, 32, 2],
  "recovery of a dead client": [19, 24, 4],
  "make space": [39, 58, 17],
};
