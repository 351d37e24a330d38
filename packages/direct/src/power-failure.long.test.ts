// A power failure in the middle of a write, at each of its rounds: only what was flushed is sure to
// be there afterwards, and any other word of what was written may be there as well. Whoever comes
// next finds what was acknowledged, or what was being written, and never anything else; and the
// store is sound. The simulation (test/simulation) leaves flushes out of its account: this is where
// a flush that is missing, or comes too late, is found.

import { Prng } from "@pdpm/base";
import { toKey } from "@pdpm/kv";
import { ArrayMemory } from "@pdpm/verbs";
import { expect, test } from "vitest";
import { chunkBytes, World } from "./contract-scene.ts";
import type { DirectBackend } from "./direct-backend.ts";
import { takeBackHolds } from "./reap.ts";

/** More rounds than the longest of these writes has. */
const roundsMost = 16;
/** What a power failure may be like. */
interface Failure {
  /** How many posts of the round that it cuts off have arrived. */
  readonly posts: number;
  /** Which part of the words that were not flushed reaches the medium. */
  readonly chance: number;
  /** Afterwards somebody writes before anybody reads. */
  readonly isHasty: boolean;
  /** The writer dies first, and before the power fails another client finishes what it left. */
  readonly isTakenBack?: boolean;
}
const failures: readonly Failure[] = [
  { posts: 0, chance: 0, isHasty: false },
  { posts: 0, chance: 0.5, isHasty: true },
  { posts: 1, chance: 0.5, isHasty: false },
  { posts: 1, chance: 0, isHasty: true },
  ...[0, 1, 2, 3, 4].flatMap((posts) =>
    [0, 0.3, 0.5, 0.7].map((chance) => ({ posts, chance, isHasty: false, isTakenBack: true })),
  ),
];

/** Memory of which only flushed words survive, and some others by chance. */
class FailingMemory extends ArrayMemory {
  /** What stands on the medium where it is not what was written last, by offset. */
  readonly #behind = new Map<number, Uint8Array>();

  override write(offset: number, data: Uint8Array): void {
    this.#dirty(offset, data.length);
    super.write(offset, data);
  }

  override compareAndSwap(offset: number, expectedWord: bigint, desiredWord: bigint): bigint {
    this.#dirty(offset, 8);
    return super.compareAndSwap(offset, expectedWord, desiredWord);
  }

  override flush(offset: number, bytes: number): undefined {
    for (let at = offset - (offset % 8); at < offset + bytes; at += 8) this.#behind.delete(at);
    return undefined;
  }

  /** The power goes and comes back. */
  fail(prng: Prng, chance: number): void {
    for (const [at, word] of this.#behind) if (!prng.chance(chance)) super.write(at, word);
    this.#behind.clear();
  }

  #dirty(offset: number, bytes: number): void {
    for (let at = offset - (offset % 8); at < offset + bytes; at += 8) {
      if (this.#behind.has(at)) continue;
      const word = new Uint8Array(8);
      this.read(at, word);
      this.#behind.set(at, word);
    }
  }
}

interface Case {
  readonly what: string;
  /** Written and acknowledged before: text of a value, or undefined for a delete. */
  readonly before: readonly (string | undefined)[];
  readonly after: string | undefined;
}

const short = "x".repeat(90);
const long = "y".repeat(3000);
const cases: readonly Case[] = [
  { what: "an insert", before: [], after: short },
  { what: "an update", before: [short], after: short.replaceAll("x", "z") },
  { what: "a larger update", before: [long], after: long.replaceAll("y", "z") },
  { what: "a move", before: [short], after: long },
  { what: "a delete", before: [short], after: undefined },
  { what: "an insert after a delete", before: [short, undefined], after: long },
];

/** One write that is cut off in round number `rounds`. False if it ended before. */
async function failsIn(write: Case, rounds: number, failure: Failure): Promise<boolean> {
  const { posts, chance, isHasty, isTakenBack = false } = failure;
  const memory = new FailingMemory(8 * chunkBytes, 2 * chunkBytes);
  const world = new World(memory);
  const first = world.client();
  for (const name of ["near", "far", "away"]) await world.put(first, name, `of ${name}`);
  let version = 0;
  for (const value of write.before) {
    if (value === undefined) await world.delete(first, "key");
    else version = await world.put(first, "key", value);
  }
  const second = world.client();
  // It knows its way: what follows is the write and nothing else.
  await world.put(second, "warm", short);
  await world.put(second, "warm", long);
  await second.get(toKey("key"), {});
  const isCut = await world.dieIn(second, rounds, "key", write.after, posts);
  // It was acknowledged: then it is to be found, and nothing else.
  if (!isCut) {
    world.expected.set(toKey("key"), write.after);
    world.pending.clear();
  }
  if (isTakenBack) {
    const { clientId } = second.session;
    await world.run(world.client(), (context) => takeBackHolds(context, clientId));
  }
  memory.fail(new Prng(`${write.what} ${rounds} ${chance}`), chance);
  for (const id of world.routers.keys()) world.dead.add(id);
  await inspect(world, world.client(), version, isHasty);
  return isCut;
}

async function inspect(
  world: World,
  next: DirectBackend,
  acknowledged: number,
  isHasty: boolean,
): Promise<void> {
  let version = acknowledged;
  const read = async (): Promise<void> => expect(await world.wrong(next)).toEqual([]);
  // Versions grow, also over a delete that was cut off or done (floors).
  const write = async (): Promise<void> => {
    const later = await world.put(next, "key", `later than ${version}`);
    world.pending.clear();
    expect(later).toBeGreaterThan(version);
    version = later;
  };
  // Whoever comes first, a reader or a writer, finishes what was cut off, or waits for nobody.
  for (const act of isHasty ? [write, read] : [read, write]) await act();
  for (const id of world.dead) await world.run(next, (context) => takeBackHolds(context, id));
  await read();
  const { problems, heldBy } = await world.audit(next);
  expect(problems.map(String)).toEqual([]);
  expect(heldBy.size).toBe(0);
  await write();
}

for (const write of cases) {
  test(`${write.what}: what was acknowledged survives a power failure at every round`, async () => {
    for (const failure of failures) {
      let rounds = 0;
      while (await failsIn(write, rounds, failure)) rounds += 1;
      expect(rounds).toBeGreaterThan(3);
      expect(rounds).toBeLessThan(roundsMost);
    }
  }, 120_000);
}

test("a cell that was freed and claimed anew is nobody's when its old state comes back", async () => {
  let isCut = true;
  let wasHeld = false;
  for (let rounds = 0; isCut; rounds += 1) {
    for (const posts of [0, 1, 2, 3, 4]) {
      const memory = new FailingMemory(8 * chunkBytes, 2 * chunkBytes);
      const world = new World(memory);
      const client = world.client();
      await world.put(client, "key", short);
      const { sizeClass, slot } = await world.placeOf(client, "key");
      while (client.session.pool.take(sizeClass) !== undefined);
      // The only free cell that it knows.
      await world.delete(client, "key");
      isCut = await world.dieIn(client, rounds, "key", short.replaceAll("x", "z"), posts);
      if (client.session.held.has(slot)) wasHeld = true;
      memory.fail(new Prng(`${rounds} ${posts}`), 0);
      const next = world.client();
      await world.run(next, (context) => takeBackHolds(context, client.session.clientId));
      expect(await world.wrong(next)).toEqual([]);
      const { problems, heldBy } = await world.audit(next);
      expect([problems.map(String), heldBy.size]).toEqual([[], 0]);
    }
    expect(rounds).toBeLessThan(roundsMost);
  }
  expect(wasHeld).toBe(true);
}, 120_000);

test("an overflow bucket that was emptied and given back is left to nobody", async () => {
  const memory = new FailingMemory(8 * chunkBytes, 2 * chunkBytes);
  const world = new World(memory);
  const client = world.client();
  const names = world.neighbours(client, 29);
  for (const name of names) await world.put(client, name, short);
  expect((await world.audit(client)).overflowBuckets).toBe(1);
  // A cache may write back whatever it likes: also that the bucket is nobody's.
  memory.flush(0, memory.sizeBytes);
  await world.delete(client, names.at(-1) as string);
  world.dead.add(client.session.clientId);
  memory.fail(new Prng("bucket"), 0);
  const next = world.client();
  await world.run(next, (context) => takeBackHolds(context, client.session.clientId));
  const { problems, overflowBuckets } = await world.audit(next);
  expect([problems.map(String), overflowBuckets]).toEqual([[], 0]);
  expect(await world.wrong(next)).toEqual([]);
}, 120_000);

test("whoever goes on from a dead client's chunk table makes it durable first", async () => {
  let rounds = 0;
  for (let isCut = true; isCut; rounds += 1) {
    const memory = new FailingMemory(8 * chunkBytes, 2 * chunkBytes);
    const world = new World(memory);
    // The store's first write cuts a chunk; it dies behind the first verb of a round.
    isCut = await world.dieIn(world.client(), rounds, "key", short, 1);
    await world.put(world.client(), "other", "value");
    for (const id of world.routers.keys()) world.dead.add(id);
    memory.fail(new Prng(rounds), 0);
    expect(await world.wrong(world.client())).toEqual([]);
  }
  expect(rounds).toBeGreaterThan(10);
}, 120_000);
