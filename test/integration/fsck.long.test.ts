// Damaged bytes in real files: a get returns the right value or says PDPM_CORRUPT and the key, over
// mapped memory and over ws, with the store closed or open elsewhere meanwhile; fsck finds the
// damage and mends it; and it refuses what it must not touch.

import { copyFileSync, existsSync, readdirSync, readFileSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { Prng } from "@pdpm/base";
import { checksum64 } from "@pdpm/layout";
import { headerWordOffset, regionHeaderBytes } from "@pdpm/layout/region-header";
import { type ClientOptions, connect, fsck, isPdpmError, open, type Store } from "pdpm";
import { describe, expect, test } from "vitest";
import { closeNode, startNode, urlOf } from "../support/memory-nodes.ts";
import { Scene } from "../support/processes.ts";
import { type Damage, damages, StoreFile } from "../support/store-file.ts";
import { victim } from "../support/victim.ts";

const scene = new Scene();
const options = {
  design: "direct",
  chunkBytes: 2 ** 22,
  maxBytes: 2 ** 28,
  timeoutMs: 20_000,
} as const;
const sizes = [100, 250, 700, 1000, 2500, 5000] as const;
const keyCount = 100;
/** Keys from this number on are written once only, and have no second copy. */
const updatedCount = 70;

type Values = Map<string, Buffer>;

/** Writes 100 keys, most of them twice, and deletes some others. */
async function fill(store: Store): Promise<Values> {
  const prng = new Prng("values");
  const values: Values = new Map();
  const put = async (name: string, i: number): Promise<void> => {
    const value = Buffer.alloc(sizes[i % sizes.length] as number);
    for (let at = 0; at < value.length; at += 1) value[at] = prng.below(256);
    values.set(name, value);
    await store.put(name, value);
  };
  for (let i = 0; i < keyCount; i += 1) await put(`key-${i}`, i);
  for (let i = 0; i < 20; i += 1) await put(`gone-${i}`, i);
  for (let i = 0; i < updatedCount; i += 1) await put(`key-${i}`, i);
  for (let i = 0; i < 20; i += 1) {
    await store.delete(`gone-${i}`);
    values.delete(`gone-${i}`);
  }
  return values;
}

/** How a get ended: "right", or the message of PDPM_CORRUPT, which names the key. */
async function look(store: Store, name: string, value: Buffer): Promise<string> {
  try {
    const found = await store.get(name);
    if (found === undefined) return "missing";
    return Buffer.compare(found, value) === 0 ? "right" : "wrong";
  } catch (error) {
    if (!isPdpmError(error) || error.code !== "PDPM_CORRUPT") throw error;
    return error.message.includes(`"${name}"`) ? "corrupt" : `nameless: ${error.message}`;
  }
}

/** How many gets of all keys ended in each way. */
async function tally(store: Store, values: Values): Promise<Record<string, number>> {
  const ends: Record<string, number> = {};
  const looks = [...values].map(([name, value]) => look(store, name, value));
  for (const end of await Promise.all(looks)) ends[end] = (ends[end] ?? 0) + 1;
  return ends;
}

/** Damages one byte of each key. */
function damageAll(file: StoreFile, kind: Damage, prng: Prng): () => void {
  const places = [...file.keys().values()].map((place) => damages[kind](place, prng));
  expect(places.length).toBe(keyCount);
  return file.flip(places, prng);
}

const kinds = Object.keys(damages) as Damage[];
const allCorrupt = { corrupt: keyCount };
const allRight = { right: keyCount };

/** Opens the store, runs `work`, and closes it. */
async function using<T>(
  make: () => Promise<Store>,
  work: (store: Store) => Promise<T>,
): Promise<T> {
  const store = await make();
  try {
    return await work(store);
  } finally {
    await store.close({ timeoutMs: 2000 });
  }
}

describe("one byte of each of 100 keys is damaged", () => {
  test("mapped, while the store is closed; then fsck finds and mends it", async () => {
    const directory = await scene.directory("memory");
    const file = new StoreFile(directory);
    const make = (): Promise<Store> => open(directory, options);
    const values = await using(make, fill);
    const prng = new Prng("mapped closed");
    for (const kind of kinds) {
      damageAll(file, kind, prng);
      expect(await using(make, (store) => tally(store, values)), kind).toEqual(allCorrupt);
      const before = await fsck(directory);
      expect(before).toMatchObject({ repaired: [], lost: [], heldByDead: 0 });
      expect(before.problems.length, kind).toBeGreaterThanOrEqual(keyCount);
      expect(before.remaining).toEqual(before.problems);
      if (kind === "value" || kind === "state") {
        for (const name of values.keys()) {
          expect(before.problems.filter((text) => text.includes(`"${name}"`)).length).toBe(1);
        }
      }
      const mended = await fsck(directory, { repair: true });
      const losesSome = kind === "value" || kind === "key" || kind === "header";
      expect(mended.problems).toEqual(before.problems);
      expect(mended.remaining).toEqual([]);
      expect(mended.lost.length).toBe(losesSome ? keyCount - updatedCount : 0);
      expect(mended.keys).toBe(keyCount - mended.lost.length);
      expect(await fsck(directory)).toMatchObject({ problems: [], keys: mended.keys });
      await using(make, async (store) => {
        const ends = { right: mended.keys, missing: mended.lost.length };
        if (ends.missing === 0) expect(await tally(store, values), kind).toEqual(allRight);
        else expect(await tally(store, values), kind).toEqual(ends);
        for (let i = updatedCount; i < keyCount; i += 1) {
          const name = `key-${i}`;
          if (!losesSome) continue;
          if (kind === "value") expect(mended.lost.join("\n")).toContain(`"${name}" is lost`);
          await store.put(name, values.get(name) as Buffer);
        }
      });
    }
    expect((await fsck(directory, { repair: true })).repaired).toEqual([]);
  });

  test("mapped, while another process has the store open", async () => {
    const directory = await scene.directory("memory");
    const file = new StoreFile(directory);
    const make = (): Promise<Store> => open(directory, options);
    const values = await using(make, fill);
    const other = scene.start("globalThis.store = await openStore(); say('open');", {
      given: { directory, options },
    });
    await other.line();
    const store = await make();
    expect(await tally(store, values)).toEqual(allRight);
    const prng = new Prng("mapped open");
    for (const kind of kinds) {
      const undo = damageAll(file, kind, prng);
      // A client that remembers where a key stands needs no entry.
      const warm = kind === "entry" ? allRight : allCorrupt;
      expect(await tally(store, values), kind).toEqual(warm);
      expect(await using(make, (cold) => tally(cold, values)), kind).toEqual(allCorrupt);
      undo();
      expect(await tally(store, values), kind).toEqual(allRight);
    }
    await expect(fsck(directory)).rejects.toThrow(/PDPM_IN_USE: .* pid \d+/);
    await store.close();
  });

  test("over ws, while the store is open, and while its memory node is down", async () => {
    const directory = await scene.directory("memory");
    const file = new StoreFile(directory);
    let node = await startNode(scene, directory);
    const make = (): Promise<Store> =>
      connect(urlOf(node.host), { ...options, transport: "ws" } as ClientOptions);
    const values = await using(make, fill);
    const prng = new Prng("ws");
    await using(make, async (store) => {
      expect(await tally(store, values)).toEqual(allRight);
      for (const kind of kinds) {
        const undo = damageAll(file, kind, prng);
        const warm = kind === "entry" ? allRight : allCorrupt;
        expect(await tally(store, values), kind).toEqual(warm);
        expect(await using(make, (cold) => tally(cold, values)), kind).toEqual(allCorrupt);
        undo();
      }
    });
    for (const kind of kinds) {
      await closeNode(node);
      const undo = damageAll(file, kind, prng);
      node = await startNode(scene, directory);
      expect(await using(make, (cold) => tally(cold, values)), kind).toEqual(allCorrupt);
      undo();
    }
    await closeNode(node);
    damageAll(file, "value", prng);
    const { lost, remaining } = await fsck(directory, { repair: true });
    expect([lost.length, remaining]).toEqual([keyCount - updatedCount, []]);
    node = await startNode(scene, directory);
    const ends = { right: updatedCount, missing: keyCount - updatedCount };
    expect(await using(make, (store) => tally(store, values))).toEqual(ends);
  });
});

describe("fsck", () => {
  test("takes back what a killed process held, and ends its lease", async () => {
    const directory = await scene.directory("disk");
    const child = await victim(scene, directory, options);
    await using(
      () => open(directory, options),
      (store) => store.put("locked", new Uint8Array(500).fill(1)),
    );
    child.tell({ key: "locked", bytes: 500, signal: "SIGKILL" });
    await child.end();
    expect(await fsck(directory)).toMatchObject({ problems: [], repaired: [], heldByDead: 1 });
    expect(readdirSync(join(directory, "leases")).length).toBe(1);
    const mended = await fsck(directory, { repair: true });
    expect(mended.repaired.join("\n")).toMatch(/was taken back\n.*lease of client \d+.*was ended/);
    expect(readdirSync(join(directory, "leases"))).toEqual([]);
    expect(await fsck(directory, { repair: true })).toMatchObject({ repaired: [], heldByDead: 0 });
    await using(
      () => open(directory, options),
      async (store) => expect((await store.get("locked"))?.[0]).toBe(1),
    );
  });

  test("clears the marks of a failed flush and of another boot, once all is written anew", async () => {
    const directory = await scene.directory("disk");
    const file = new StoreFile(directory);
    const make = (): Promise<Store> => open(directory, { ...options, durability: "process" });
    await using(make, (store) => store.put("k", new Uint8Array(10)));
    for (const name of ["poisoned", "inUseBoot"] as const) {
      file.write(headerWordOffset[name], new Uint8Array([5]));
    }
    await expect(make()).rejects.toThrow(/PDPM_POISONED/);
    const { problems, remaining } = await fsck(directory);
    expect(problems).toEqual([
      expect.stringMatching(/a flush of its file failed \(error 5\)/),
      expect.stringMatching(/in use when the machine went down/),
    ]);
    expect(remaining).toEqual(problems);
    expect(await fsck(directory, { repair: true })).toMatchObject({ remaining: [], lost: [] });
    await using(make, async (store) => expect(await store.get("k")).toEqual(new Uint8Array(10)));
  });

  test("does not touch what a living process has open", async () => {
    const directory = await scene.directory("memory");
    const node = await startNode(scene, directory);
    const who = new RegExp(`PDPM_IN_USE: .* pid ${node.child.pid} `);
    await expect(fsck(directory, { repair: true })).rejects.toThrow(who);
    const url = urlOf(node.host);
    const store = await connect(url, { ...options, transport: "mapped", timeoutMs: 1000 });
    scene.after(() => store.close({ timeoutMs: 500 }));
    await node.child.kill();
    // The node is gone, and its mapped client still writes into its file.
    const client = new RegExp(`PDPM_IN_USE: .* open in pid ${process.pid} `);
    await expect(fsck(directory, { repair: true })).rejects.toThrow(client);
  });

  test("says what is wrong with a directory that it cannot check", async () => {
    const directory = await scene.directory("memory");
    await expect(fsck(join(directory, "none"))).rejects.toThrow(
      /PDPM_INVALID_ARGUMENT: there is no/,
    );
    expect(existsSync(join(directory, "none"))).toBe(false);
    const nodes = [0, 1].map((i) => startNode(scene, join(directory, String(i))));
    const [first, second] = await Promise.all(nodes);
    if (first === undefined || second === undefined) throw new Error("no memory nodes");
    await using(
      () => connect(urlOf(first.host, second.host), options),
      (store) => store.put("k", new Uint8Array(10)),
    );
    for (const node of [first, second]) await closeNode(node);
    await expect(fsck(join(directory, "1"), { repair: true })).rejects.toThrow(
      /PDPM_WRONG_STORE: .* is node [01] of 2 of a cluster/,
    );
  });

  test("a file that was cut off, whose header is damaged, or of a newer format has its code", async () => {
    const directory = await scene.directory("memory");
    const file = new StoreFile(directory);
    await using(
      () => open(directory, options),
      (store) => store.put("k", new Uint8Array(10)),
    );
    const copy = join(directory, "copy");
    copyFileSync(file.path, copy);
    const size = readFileSync(copy).length;
    const fails = async (code: string, what: string): Promise<void> => {
      const work = fsck(directory, { repair: true });
      await expect(work, what).rejects.toMatchObject({ code });
    };
    for (const bytes of [0, 100, regionHeaderBytes - 1, regionHeaderBytes, size - 4096, size - 1]) {
      truncateSync(file.path, bytes);
      await fails("PDPM_CORRUPT", `${bytes} bytes`);
      await expect(open(directory, options)).rejects.toThrow(
        /PDPM_CORRUPT: .*region.pm: truncated/,
      );
      copyFileSync(copy, file.path);
    }
    const prng = new Prng("header");
    // Every byte of the identity and of the label, and one of each reserved line.
    const { storeId, fencedThrough } = headerWordOffset;
    const offsets = [...Array(64).keys(), ...Array.from({ length: 24 }, (_, i) => storeId + i)];
    for (let line = 64; line < regionHeaderBytes; line += 64) {
      const isOfWord = line <= fencedThrough || line === storeId;
      offsets.push(line + (isOfWord ? 24 + prng.below(40) : prng.below(64)));
    }
    for (const offset of offsets) {
      const undo = file.flip([offset], prng);
      await fails("PDPM_CORRUPT", `byte ${offset}`);
      undo();
    }
    const identity = new Uint8Array(readFileSync(copy).subarray(0, 64));
    identity[8] = 2;
    new DataView(identity.buffer).setBigUint64(56, checksum64(identity.subarray(0, 56)), true);
    file.write(0, identity);
    await fails("PDPM_WRONG_STORE", "a newer format");
    copyFileSync(copy, file.path);
    expect(await fsck(directory)).toMatchObject({ problems: [], keys: 1 });
  });

  test("a header whose size was damaged is PDPM_CORRUPT when the store is opened", async () => {
    const directory = await scene.directory("memory");
    const file = new StoreFile(directory);
    const make = (): Promise<Store> => open(directory, options);
    await using(make, (store) => store.put("small", new Uint8Array(10)));
    await using(make, (store) => store.put("large", new Uint8Array(100_000)));
    const size = readFileSync(file.path).length;
    const { chunkBytes } = options;
    const wordOf = (bytes: number): Uint8Array =>
      new Uint8Array(new BigUint64Array([BigInt(bytes)]).buffer);
    const shorter = [regionHeaderBytes, 2 * regionHeaderBytes, size - chunkBytes, size - 4096];
    for (const bytes of [...shorter, 0, size - 1, size + 4096]) {
      file.write(headerWordOffset.sizeBytes, wordOf(bytes));
      await expect(make(), `${bytes} bytes`).rejects.toMatchObject({ code: "PDPM_CORRUPT" });
      await expect(fsck(directory), `${bytes} bytes`).rejects.toMatchObject({
        code: "PDPM_CORRUPT",
      });
      if (!shorter.includes(bytes)) continue;
      const node = await startNode(scene, directory);
      const connected = connect(urlOf(node.host), { ...options, transport: "ws" });
      await expect(connected, `${bytes} bytes`).rejects.toMatchObject({ code: "PDPM_CORRUPT" });
      await node.child.kill();
    }
    file.write(headerWordOffset.sizeBytes, wordOf(size));
    expect(await fsck(directory)).toMatchObject({ problems: [], keys: 2 });
    // A client that has the store open finds out at its next verb.
    await using(make, async (store) => {
      expect(await store.get("large")).toEqual(new Uint8Array(100_000));
      file.write(headerWordOffset.sizeBytes, wordOf(size - 4096));
      await expect(store.get("large")).rejects.toMatchObject({ code: "PDPM_CORRUPT" });
      file.write(headerWordOffset.sizeBytes, wordOf(size));
      expect(await store.get("large")).toEqual(new Uint8Array(100_000));
    });
  });
});
