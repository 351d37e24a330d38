// What a Direct client may be doing when it dies: one scene per operation. All keys have one home
// bucket.

import { bucketEntries } from "@pdpm/layout";
import { DirectDeaths } from "./direct-deaths.ts";
import { reap } from "./direct-identity.ts";
import { families } from "./direct-keys.ts";

/** Sets the scene, and says what the client that may die does. */
type Setting = (world: DirectDeaths) => Promise<() => Promise<unknown>>;

const keys: readonly string[] = (families[0]?.groups ?? []).flat();
/**
 * The first was written by the client that may die, the third by the other, the fourth deleted. The
 * first two have one fingerprint.
 */
const [warm, fresh, third, fourth, ...rest] = keys as [string, string, string, string, ...string[]];
const names = [warm, fresh, third, fourth];

async function settle(world: DirectDeaths): Promise<void> {
  const { dying, other, telling } = world;
  if (other === undefined) return;
  await world.put(dying, warm);
  await world.put(other, third);
  await world.put(other, fourth);
  await world.delete(other, fourth);
  await telling.get(other.id, other.backend, warm);
}

async function versionOf(world: DirectDeaths, name: string): Promise<number> {
  const { dying, telling } = world;
  return (await telling.get(dying.id, dying.backend, name))?.version ?? 0;
}

const settings: Readonly<Record<string, Setting>> = {
  insert: async (world) => () => world.put(world.dying, fresh),
  "insert of a deleted key": async (world) => () => world.put(world.dying, fourth),
  "insert behind a full bucket": async (world) => {
    for (const name of rest.slice(0, bucketEntries - 2)) await world.put(world.dying, name);
    return () => world.put(world.dying, fresh);
  },
  update: async (world) => () => world.put(world.dying, warm),
  "update behind another's": async (world) => {
    if (world.other !== undefined) await world.put(world.other, warm);
    return () => world.put(world.dying, warm);
  },
  delete: async (world) => () => world.delete(world.dying, warm),
  "conditional put, won": async (world) => {
    const version = await versionOf(world, warm);
    return () => world.put(world.dying, warm, 20, version);
  },
  "conditional put, lost": async (world) => {
    const version = await versionOf(world, warm);
    if (world.other !== undefined) await world.put(world.other, warm);
    return () => world.put(world.dying, warm, 20, version);
  },
  "update that moves": async (world) => {
    await world.put(world.dying, fresh, 300);
    return () => world.put(world.dying, warm, 300);
  },
  growth: async (world) => () => world.put(world.dying, fresh, 900),
  "recovery of a lock by a reader": async (world) => {
    await world.dieUpdating(warm, 1, [1]);
    return () => world.telling.get(world.dying.id, world.dying.backend, warm);
  },
  "recovery of a dead client": async (world) => {
    const id = await world.dieUpdating(warm, 1, [2]);
    return () => world.dying.run((context) => reap(context, id));
  },
  "recovery of a client dead in an insert": async (world) => {
    const id = await world.dieUpdating(fresh, 4, [1]);
    return () => world.dying.run((context) => reap(context, id));
  },
};

/** The store has no chunk left, and one of its chunks is empty, of another class. */
async function buildFull(): Promise<DirectDeaths> {
  const world = await DirectDeaths.build({ chunksMost: 3, names });
  await settle(world);
  const [passing] = rest as [string, ...string[]];
  await world.put(world.dying, passing, 300);
  await world.delete(world.dying, passing);
  await world.other?.leave();
  world.other = undefined;
  world.act = () => world.put(world.dying, fresh, 900);
  return world;
}

/** Every scene, by name. */
export const scenes: Readonly<Record<string, () => Promise<DirectDeaths>>> = {
  ...Object.fromEntries(
    Object.entries(settings).map(([name, set]) => [
      name,
      async (): Promise<DirectDeaths> => {
        const world = await DirectDeaths.build({ chunksMost: 6, names });
        await settle(world);
        world.act = await set(world);
        return world;
      },
    ]),
  ),
  retirement: buildFull,
};

/** Of each: its rounds, and the points at which its client dies. */
export const counted: Readonly<Record<string, readonly [number, number]>> = {
  insert: [10, 14],
  "insert of a deleted key": [10, 14],
  "insert behind a full bucket": [36, 42],
  update: [4, 7],
  "update behind another's": [4, 7],
  delete: [5, 10],
  "conditional put, won": [4, 7],
  "conditional put, lost": [2, 3],
  "update that moves": [10, 23],
  growth: [31, 24],
  retirement: [130, 44],
  "recovery of a lock by a reader": [11, 9],
  "recovery of a dead client": [78, 13],
  "recovery of a client dead in an insert": [78, 10],
};
