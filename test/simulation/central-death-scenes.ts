// What a Central coordinator may be doing when it dies, or when the metadata service does: one
// scene per operation.

import { bufferClassFor, bufferImageBytes } from "@pdpm/layout";
import { Mortal } from "@pdpm/simulator";
import { cleanAll } from "../../packages/central/src/clean.ts";
import { refill } from "../../packages/central/src/refill.ts";
import { work } from "../../packages/central/src/work.ts";
import { CentralDeaths } from "./central-deaths.ts";

const names = ["warm", "new", "third", "fourth"];

type Client = Awaited<ReturnType<CentralDeaths["client"]>>;

/** Sets the scene, and says what the coordinator that may die does. */
type Setting = (world: CentralDeaths, client: Client) => Promise<() => Promise<unknown>>;

function put(
  { telling }: CentralDeaths,
  { id, backend }: Client,
  name: string,
  bytes = 20,
  ifVersion?: number,
): Promise<void> {
  return telling.write(id, backend, name, bytes, ifVersion);
}

async function versionOf({ telling }: CentralDeaths, { id, backend }: Client): Promise<number> {
  return (await telling.get(id, backend, "warm"))?.version ?? 0;
}

/** Cells are superseded, and nobody has cleaned them. */
async function supersede(world: CentralDeaths, client: Client): Promise<void> {
  for (let i = 0; i < 3; i += 1) await put(world, client, "warm");
  await put(world, client, "new");
}

const settings: Readonly<Record<string, Setting>> = {
  insert: async (world, client) => () => put(world, client, "new"),
  "insert of a deleted key": async (world, client) => () => put(world, client, "fourth"),
  update: async (world, client) => () => put(world, client, "warm"),
  delete:
    async (world, { id, backend }) =>
    () =>
      world.telling.write(id, backend, "warm", undefined),
  "conditional put, won": async (world, client) => {
    const version = await versionOf(world, client);
    return () => put(world, client, "warm", 20, version);
  },
  "conditional put, lost": async (world, client) => {
    const version = await versionOf(world, client);
    await put(world, client, "warm");
    return () => put(world, client, "warm", 20, version);
  },
  refill: async (world) => () =>
    world.run((context) => refill(context, bufferClassFor(bufferImageBytes(4, 300)))),
  growth: async (world, client) => () => put(world, client, "new", 900),
  clean: async (world, client) => {
    await supersede(world, client);
    return () => world.run(cleanAll);
  },
  work: async (world, client) => {
    await supersede(world, client);
    return () => world.run(work);
  },
  "recovery by the next one": async (world, client) => {
    await supersede(world, client);
    world.mortal.arm({ round: 0, kept: [2] });
    void put(world, client, "third");
    await world.mortal.died;
    world.mortal = new Mortal();
    return () => world.takeOver(world.mortal);
  },
};

async function build(chunksMost: number): Promise<[CentralDeaths, Client]> {
  const world = await CentralDeaths.build({ chunksMost, names });
  const client = await world.client();
  for (const name of ["warm", "third", "fourth"]) await put(world, client, name);
  await world.telling.write(client.id, client.backend, "fourth", undefined);
  return [world, client];
}

/** The store has no chunk left, and what is in two of them has room in one. */
async function buildFull(): Promise<CentralDeaths> {
  const [world, client] = await build(5);
  const others = Array.from({ length: 5 }, (_, i) => `other ${i}`);
  for (const name of others) await put(world, client, name, 900);
  await put(world, client, "third", 300);
  for (const name of others.slice(1, 4)) {
    await world.telling.write(client.id, client.backend, name, undefined);
  }
  world.act = () => put(world, client, "new", 1900);
  return world;
}

/** Every scene, by name. */
export const scenes: Readonly<Record<string, () => Promise<CentralDeaths>>> = {
  ...Object.fromEntries(
    Object.entries(settings).map(([name, set]) => [
      name,
      async (): Promise<CentralDeaths> => {
        const [world, client] = await build(10);
        world.act = await set(world, client);
        return world;
      },
    ]),
  ),
  "make space": buildFull,
};

/** Of each: its rounds, the points at which its coordinator dies, the commits of the service. */
export const counted: Readonly<Record<string, readonly [number, number, number]>> = {
  insert: [3, 5, 1],
  "insert of a deleted key": [3, 5, 1],
  update: [2, 4, 1],
  delete: [3, 5, 1],
  "conditional put, won": [2, 4, 1],
  "conditional put, lost": [1, 2, 0],
  refill: [5, 5, 3],
  growth: [8, 9, 4],
  clean: [2, 6, 1],
  work: [2, 6, 1],
  "make space": [32, 34, 13],
  "recovery by the next one": [15, 15, 5],
};
