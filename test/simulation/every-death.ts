// Plays an operation of one client once to learn its rounds, and then, in a world made anew the
// same way each time, kills the client at every point of it: in every round, with every prefix of
// the verbs that each node may have applied. The world then looks at what is left (`finish`). With
// the power failing at the point as well, for several subsets of the words that nobody flushed.

import { assert, type Clock, Prng } from "@pdpm/base";
import {
  type DeathPoint,
  dirtyWords,
  failedMemories,
  keptPrefixes,
  keptSubsets,
  type Mortal,
  type PowerMemory,
  pointsOf,
} from "@pdpm/simulator";
import type { MortalService } from "./mortal-service.ts";

/** A world in which a client is about to do something. */
export interface DeathScene {
  readonly memories: readonly PowerMemory[];
  /** Who dies. */
  readonly mortal: Mortal;
  /** What it does; never settles when it dies. */
  act(): Promise<unknown>;
  /** How much was changed in it so far. Worlds made the same way with one stamp are the same. */
  stamp(): string;
  /** Others meet what it left: they read the keys; and write them, if they are to. */
  meet(writes: boolean): Promise<void>;
  /**
   * Everything that must hold then; that the store can be written on as well, unless it is to be
   * `brief`. @throws what does not
   */
  finish(brief?: boolean): Promise<void>;
  /** The same store after a power failure that left these memories, with no client in it. */
  failed(memories: PowerMemory[]): Promise<Pick<DeathScene, "finish">>;
}

/** What was tried. */
export interface DeathCounts {
  readonly rounds: number;
  readonly points: number;
  readonly images: number;
}

/** Milliseconds from which on a timer is a deadline, which never comes here. */
const endlessMs = 100;

/** Time that passes when somebody waits for it. */
export function hurriedClock(): Clock {
  let nowMs = 0;
  return {
    now: () => nowMs,
    after(ms, then) {
      if (ms >= endlessMs) return () => {};
      nowMs += ms;
      const immediate = setImmediate(then);
      return () => clearImmediate(immediate);
    },
  };
}

/** Kills at every point. @throws what is wrong, and at which point */
export async function everyDeath(
  build: () => Promise<DeathScene>,
  power: boolean,
): Promise<DeathCounts> {
  const model = await build();
  model.mortal.arm();
  await model.act();
  model.mortal.disarm();
  const { shapes } = model.mortal;
  await model.meet(true);
  await at("nobody died", () => model.finish());
  const points = pointsOf(shapes);
  let images = 0;
  let stamp = "";
  for (const point of points) {
    for (const writes of [false, true]) {
      const scene = await dieAt(build, point);
      const text = `dead in round ${point.round}, kept ${point.kept}, others write: ${writes}`;
      await at(text, async () => {
        await scene.meet(writes);
        await scene.finish(!writes);
      });
    }
    if (!power) continue;
    for (const meets of [false, true]) {
      const scene = await dieAt(build, point);
      // A question was asked, no more.
      if (!meets && scene.stamp() === stamp) break;
      if (!meets) stamp = scene.stamp();
      if (meets) await scene.meet(false);
      const where = `${point.round}, kept ${point.kept}, met: ${meets}`;
      images += await everyFailure(scene, where, meets);
    }
  }
  return { rounds: shapes.length, points: points.length, images };
}

async function dieAt(build: () => Promise<DeathScene>, point: DeathPoint): Promise<DeathScene> {
  const scene = await build();
  scene.mortal.arm(point);
  const ended = await Promise.race([
    scene.mortal.died.then(() => false),
    scene.act().then(() => true),
  ]);
  assert(!ended, "a client that dies ends nothing");
  return scene;
}

/** The power fails now, in every way or in the most telling ones. Returns in how many. */
async function everyFailure(scene: DeathScene, where: string, some: boolean): Promise<number> {
  const dirty = dirtyWords(scene.memories);
  const all = (): ReturnType<typeof keptSubsets> =>
    keptSubsets(dirty, new Prng(`subsets ${where}`));
  const subsets = some ? keptPrefixes(dirty) : all();
  for (const [i, kept] of subsets.entries()) {
    await at(
      `dead in round ${where}, power lost but words ${kept} of ${dirty.length}`,
      async () => {
        const after = await scene.failed(failedMemories(scene.memories, dirty, kept));
        await after.finish(i > 1);
      },
    );
  }
  return subsets.length;
}

async function at(where: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    throw new Error(`${where}: ${error instanceof Error ? error.message : error}`, {
      cause: error,
    });
  }
}

/** A world whose metadata service can die. */
export interface ServedScene extends DeathScene {
  readonly service: MortalService;
}

/**
 * The metadata service dies at every commit of the operation, before it and after it; another one
 * goes on. Returns how many commits there are. @throws what is wrong, and at which commit
 */
export async function everyServiceDeath(build: () => Promise<ServedScene>): Promise<number> {
  const model = await build();
  model.service.arm();
  await model.act();
  const { commits } = model.service;
  for (let commit = 0; commit < commits; commit += 1) {
    for (const isApplied of [false, true]) {
      await at(`the service dead at commit ${commit}, applied: ${isApplied}`, async () => {
        const scene = await build();
        scene.service.arm({ commit, isApplied });
        await scene.act();
        scene.service.disarm();
        assert(scene.service.deaths === 1, "it died");
        await scene.meet(true);
        await scene.finish();
      });
    }
  }
  return commits;
}
