// A store of each design whose memory is damaged under clients that read it (F5): bits that flip,
// lines whose last write was lost, writes that went elsewhere, pages of zeros, and a region that is
// put back as it was earlier.
//
// What must hold (I4): no read returns what was never written under its key. What the checksums
// cover is either the latest value or an error; the words that they do not cover (links, locks,
// marks), lines that were put back whole, and an old region may bring back an earlier value of the
// key, or none: one replica cannot know better.

import { isPdpmError, type Prng } from "@pdpm/base";
import { type Found, toKey } from "@pdpm/kv";
import type { ArrayMemory } from "@pdpm/verbs";
import { World as CentralWorld } from "../../packages/central/src/contract-scene.ts";
import { World as CloverWorld } from "../../packages/clover/src/contract-scene.ts";
import { World as DirectWorld } from "../../packages/direct/src/contract-scene.ts";

/** What a read said: a value, nothing, or the code of its error. */
export type Answer = { readonly value: string } | "missing" | { readonly code: string };

/** A store that can be damaged. */
export interface DamagedStore {
  readonly memory: ArrayMemory;
  put(name: string, value: string): Promise<unknown>;
  /** `isWarm`: at what the client knows of the key; else it has forgotten it. */
  get(name: string, isWarm: boolean): Promise<Answer>;
}

const timeoutMs = 50;

async function answerOf(
  get: () => Promise<Found | undefined> | Found | undefined,
): Promise<Answer> {
  try {
    const found = await get();
    return found === undefined ? "missing" : { value: Buffer.from(found.value).toString("latin1") };
  } catch (error) {
    if (!isPdpmError(error)) throw error;
    return { code: error.code };
  }
}

const bytesOf = (value: string): Buffer => Buffer.from(value, "latin1");

/** Clover, over one memory node. */
export async function damagedClover(): Promise<DamagedStore> {
  const world = new CloverWorld();
  const client = await world.client();
  const { backend, session } = client;
  return {
    memory: world.memory,
    put: async (name, value) => client.put(name, bytesOf(value)),
    get(name, isWarm) {
      if (!isWarm) session.cursors.delete(toKey(name));
      return answerOf(() => backend.get(toKey(name), { timeoutMs }));
    },
  };
}

/** Direct, over one memory node. */
export async function damagedDirect(): Promise<DamagedStore> {
  const world = new DirectWorld();
  const client = world.client();
  return {
    memory: world.memory,
    put: async (name, value) => client.put(toKey(name), bytesOf(value), undefined, {}),
    get(name, isWarm) {
      if (!isWarm) client.session.cursors.delete(toKey(name));
      return answerOf(() => client.get(toKey(name), { timeoutMs }));
    },
  };
}

/** Central, over one memory node. */
export async function damagedCentral(): Promise<DamagedStore> {
  const world = new CentralWorld({ nodeCount: 1 });
  const host = await world.start();
  const client = await world.client();
  return {
    memory: world.memories[0] as ArrayMemory,
    put: async (name, value) => client.put(toKey(name), bytesOf(value), undefined, {}),
    get(name, isWarm) {
      if (!isWarm) host.coordinator.session.mapping.delete(toKey(name));
      return answerOf(() => client.get(toKey(name), { timeoutMs }));
    },
  };
}

/** What the memory was at some moments of the store's life, oldest first; the last one is whole. */
export type Images = readonly Uint8Array[];

/** Harms the memory, whose content is the last of `images`, between two offsets. */
export type Damage = (
  prng: Prng,
  memory: ArrayMemory,
  images: Images,
  range: readonly [from: number, to: number],
) => void;

function write(memory: ArrayMemory, at: number, bytes: Uint8Array): void {
  memory.write(at, bytes);
}

function latest(images: Images): Uint8Array {
  return images.at(-1) as Uint8Array;
}

/** Somewhere in the range, aligned. */
function placeIn(prng: Prng, [from, to]: readonly [number, number], unit: number): number {
  return from + unit * prng.below(Math.floor((to - from) / unit));
}

/** The kinds of damage of F5. */
export const damages: Readonly<Record<string, Damage>> = {
  "flipped bits": (prng, memory, images, range) => {
    for (let bits = 1 + prng.below(3); bits > 0; bits -= 1) {
      const at = placeIn(prng, range, 1);
      const byte = Uint8Array.of((latest(images)[at] as number) ^ (1 << prng.below(8)));
      write(memory, at, byte);
    }
  },
  "a lost write": (prng, memory, images, range) => {
    const earlier = images[prng.below(images.length - 1)] as Uint8Array;
    const unit = prng.chance(0.5) ? 64 : 256;
    const at = placeIn(prng, range, unit);
    write(memory, at, earlier.subarray(at, at + unit));
  },
  "a misdirected write": (prng, memory, images, range) => {
    const unit = 64 * (1 + prng.below(4));
    const at = placeIn(prng, range, unit);
    const from = placeIn(prng, range, unit);
    write(memory, at, latest(images).subarray(from, from + unit));
  },
  "a page of zeros": (prng, memory, _images, range) => {
    write(memory, placeIn(prng, range, 4096), new Uint8Array(4096));
  },
  "an earlier region": (prng, memory, images, range) => {
    const earlier = images[prng.below(images.length - 1)] as Uint8Array;
    write(memory, range[0], earlier.subarray(range[0], range[1]));
  },
};
