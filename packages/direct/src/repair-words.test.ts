// Repair over array memory: damaged words of buckets and of the root, beside clients that died in
// the middle of a write. What they had not committed stays so; what they had is finished.

import { Prng } from "@pdpm/base";
import { toKey } from "@pdpm/kv";
import {
  type Address,
  bucketClass,
  bucketFields,
  cellBytes,
  encodeLease,
  leaseIdentity,
  numberOf,
  rootWords,
} from "@pdpm/layout";
import { beforeEach, describe, expect, test } from "vitest";
import { chunkBytes, filled, type World } from "./contract-scene.ts";
import type { DirectBackend } from "./index.ts";
import { floorStep } from "./mender.ts";

let world: World;
let client: DirectBackend;
beforeEach(async () => {
  ({ world, client } = await filled());
});

function pick(prng: Prng, from: readonly Address[]): Address {
  return from[prng.below(from.length)] as Address;
}

/** Expects a repair that loses nothing. */
async function mends(): Promise<DirectBackend> {
  const { before, lost, client: after } = await world.repair();
  expect(before.length).toBeGreaterThan(0);
  expect(lost).toEqual([]);
  expect(await world.wrong(after)).toEqual([]);
  return after;
}

/** Fills the bucket of "key-0" until it has this many overflow buckets. */
async function overflow(count: number): Promise<{ home: Address; buckets: Address[] }> {
  const names = world.neighbours(client, 28 * count + 14);
  for (const name of names) await world.put(client, name, `value ${name}`);
  const buckets = new Set<Address>();
  for (const name of names) buckets.add((await world.placeOf(client, name)).bucket);
  const { home } = await world.placeOf(client, "key-0");
  buckets.delete(home);
  expect(buckets.size).toBe(count);
  return { home, buckets: [...buckets] };
}

describe("a bucket's", () => {
  for (const field of ["lock", "intent"] as const) {
    test(`damaged ${field} is found or cleared`, async () => {
      const { home } = await world.placeOf(client, "key-12");
      world.flip(client, home + bucketFields[field]);
      await mends();
      expect(world.word(client, home + bucketFields[field])).toBe(0n);
    });
  }

  test("damaged floor is above every number in the store afterwards", async () => {
    const { home } = await world.placeOf(client, "key-12");
    await world.delete(client, "key-12");
    world.flip(client, home + bucketFields.floor);
    const after = await mends();
    expect(await after.put(toKey("key-12"), Buffer.from("again"), 0, {})).toBe(floorStep + 3);
  });

  for (const damage of ["flip", "ruin"] as const) {
    test(`damaged pointers (${damage}) lead to its overflow buckets again`, async () => {
      const { home, buckets } = await overflow(2);
      world[damage](client, home + bucketFields.next);
      await mends();
      world[damage](client, (buckets[0] as Address) + bucketFields.next);
      const after = await mends();
      expect((await world.audit(after)).overflowBuckets).toBe(2);
      // And one at the end, which led nowhere.
      world.flip(client, (buckets[1] as Address) + bucketFields.next);
      await mends();
    });
  }

  test("overflow bucket gets its own words again", async () => {
    const { buckets } = await overflow(1);
    const [bucket] = buckets as [Address];
    for (const field of ["lock", "intent", "floor"] as const) {
      world.flip(client, bucket + bucketFields[field]);
    }
    await mends();
    world.ruin(client, bucket + bucketFields.lock);
    await mends();
  });
});

describe("of the root", () => {
  for (const [name, at] of Object.entries(rootWords)) {
    test(`a damaged ${name} is derived anew`, async () => {
      const before = world.word(client, at);
      world.flip(client, at);
      const after = await mends();
      if (name !== "tableGeneration") expect(world.word(client, at)).toBe(before);
      else expect(numberOf(world.word(client, at))).toBeGreaterThan(numberOf(before) as number);
      await after.put(toKey("large"), new Uint8Array(50_000), undefined, {});
    });
  }

  test("a damaged table word is found by what leads into its chunk", async () => {
    await overflow(1);
    await world.put(client, "large", "x".repeat(5000));
    const words = [1, 2, 3].map((chunk) => client.session.geometry.tableWord(chunk));
    const before = words.map((at) => world.word(client, at));
    for (const at of words) world.ruin(client, at);
    const after = await mends();
    expect(words.map((at) => world.word(after, at))).toEqual(before);
    expect(client.session.table.entry(2)?.sizeClass).toBe(bucketClass);
  });

  test("the number of a chunk that nothing leads into is retired, and its place is wiped", async () => {
    await world.put(client, "large", "x".repeat(5000));
    await world.delete(client, "large");
    world.ruin(client, client.session.geometry.tableWord(2));
    const after = await mends();
    expect(after.session.table.chunksInUse).toBe(2);
    await world.put(after, "large", "y".repeat(50_000));
    expect((await world.audit(after)).problems).toEqual([]);
    expect(after.session.table.entry(3)?.place).toBe(2);
  });

  test("a damaged word of a number that was not given out is cleared", async () => {
    for (const chunk of [0, 2, 77]) {
      world.flip(client, client.session.geometry.tableWord(chunk));
      await mends();
    }
  });

  test("a damaged lease record is cleared, the others end with their clients", async () => {
    const at = client.session.geometry.leaseRecord(7);
    const record = new Uint8Array(64);
    new DataView(record.buffer).setBigUint64(0, leaseIdentity(90, "live"), true);
    record.set(encodeLease(1, 4711, 1), 8);
    for (const place of [at, at + 64, at + 128]) {
      world.memory.write(world.offsetOf(client, place), record);
    }
    world.flip(client, at + 24);
    world.flip(client, at + 64);
    world.flip(client, at + 640 + 40);
    await mends();
    expect(world.read(client, at, 8)).toEqual(new Uint8Array(8));
    expect(world.read(client, at + 128, 8)).toEqual(new Uint8Array(8));
  });

  test("a table word that cannot be found again is reported, and nothing is lost by it", async () => {
    const at = client.session.geometry.tableWord(1);
    world.ruin(client, at);
    // Its chunk is gone as well.
    const chunk = new Uint8Array(chunkBytes).fill(0x55);
    world.memory.write(world.offsetOf(client, 2 ** 26), chunk);
    const image = world.image();
    await expect(world.repair()).rejects.toThrow("still wrong: chunk 1: its word in the chunk");
    expect(Buffer.compare(image, world.image())).toBe(0);
  });
});

/** What a client was doing when it died. */
const writes: Readonly<Record<string, readonly [name: string, value: string | undefined]>> = {
  "an insert": ["fresh", "value fresh"],
  "an update": ["key-12", "value 12.2"],
  "a move": ["key-12", "large ".repeat(100)],
  "a delete": ["key-12", undefined],
};

describe("a client that died in the middle of", () => {
  for (const [what, [name, value]] of Object.entries(writes)) {
    test(`${what}, wherever, with a damaged byte, wherever`, async () => {
      const prng = new Prng(what);
      for (let rounds = 1; ; rounds += 1) {
        ({ world, client } = await filled());
        const other = world.client();
        await other.get(toKey("key-12"), {});
        await world.put(other, "large", "large ".repeat(100));
        const place = await world.placeOf(other, "key-12");
        const isDead = await world.dieIn(other, rounds, name, value);
        if (!isDead) break;
        const { bucket } = world.bucketOf(other, name);
        const places = [
          place.home + bucketFields.lock,
          place.home + bucketFields.intent,
          place.home + bucketFields.floor,
          place.entry,
          place.slot,
          place.slot + 8,
          place.slot + 56,
          bucket,
          bucket + 32,
        ];
        world.flip(other, pick(prng, places) + prng.below(8), 1 + prng.below(255));
        const { lost, client: after } = await world.repair();
        for (const key of await world.wrong(after)) {
          const isNamed = lost.some(
            (line) => line.includes(key) || line.includes("cannot be told"),
          );
          expect(isNamed, `${key}, ${rounds} rounds; lost: ${lost.join("; ")}`).toBe(true);
        }
      }
    });
  }
});

test("random bytes, wherever: each key has its value or is lost with a word about it", async () => {
  for (let seed = 0; seed < 20; seed += 1) {
    ({ world, client } = await filled());
    const prng = new Prng(seed);
    const bytes: Address[] = [];
    for (let i = 0; i < 4; i += 1) {
      const place = await world.placeOf(client, `key-${prng.below(18)}`);
      const { home, entry, slot, sizeClass } = place;
      const { geometry } = client.session;
      bytes.push(
        pick(prng, [
          home + prng.below(32),
          entry + prng.below(8),
          slot + prng.below(cellBytes(sizeClass)),
          prng.below(24),
          geometry.tableWord(1) + prng.below(8),
        ]),
      );
    }
    for (const at of bytes) world.flip(client, at, 1 + prng.below(255));
    const { lost, client: after } = await world.repair();
    for (const name of await world.wrong(after)) {
      const isNamed = lost.some(
        (line) => line.includes(name) || /cannot be told|reads|unknown/.test(line),
      );
      expect(isNamed, `seed ${seed}: ${name}; lost: ${lost.join("; ")}`).toBe(true);
    }
  }
});
