// Writes: what is seen before the commit, what a write that failed leaves behind, and what a
// coordinator that was deposed answers.

import { toKey } from "@pdpm/kv";
import {
  addressOf,
  bufferBytes,
  buffersPerSpan,
  checksum64,
  decodeBufferHeader,
  numberOf,
  pointerTo,
  wordAt,
} from "@pdpm/layout";
import { headerWordOffset } from "@pdpm/layout/region-header";
import type { SpanPart } from "@pdpm/metadata-server/protocol";
import { Verb } from "@pdpm/verbs";
import { expect, test } from "vitest";
import { audit, validCells } from "./contract-audit.ts";
import { failureOf } from "./contract-failures.ts";
import { changeIn, Pause, World } from "./contract-scene.ts";

test("the mapping changes after its transaction, not before", async () => {
  const world = new World();
  await world.start();
  const client = await world.client();
  await world.put(client, "k", "old");
  const pause = new Pause();
  world.hook = ({ request }) => (changeIn(request) === "supersede" ? pause.at() : undefined);
  const writing = world.put(client, "k", "new");
  await pause.reached;
  expect(await world.get(client, "k")).toBe("old");
  pause.end();
  await writing;
  expect(await world.get(client, "k")).toBe("new");
  await world.close();
});

test("a key that is being created is missing until its transaction", async () => {
  const world = new World();
  await world.start();
  const client = await world.client();
  const pause = new Pause();
  world.hook = ({ request }) => (changeIn(request) === "create" ? pause.at() : undefined);
  const writing = world.put(client, "k", "new");
  await pause.reached;
  expect(await world.get(client, "k")).toBeUndefined();
  pause.end();
  await writing;
  expect(await world.get(client, "k")).toBe("new");
  await world.close();
});

test("a write that was given up is wiped before its key is written again", async () => {
  const world = new World();
  const host = await world.start();
  const client = await world.client();
  await world.put(client, "k", "old");
  const pause = new Pause();
  world.hook = ({ round }) => (round?.[0]?.verb === Verb.write ? pause.at() : undefined);
  const late = client.put(toKey("k"), Buffer.from("late"), undefined, { timeoutMs: 30 });
  await pause.reached;
  // Whose clock rings first, the client's or the coordinator's, decides whether it is "not-applied".
  await expect(late).rejects.toMatchObject({ code: "PDPM_TIMEOUT" });
  await new Promise((resolve) => setTimeout(resolve, 100));
  world.hook = undefined;
  pause.end();
  await world.put(client, "k", "new");
  const values = (await validCells(world)).map(({ value }) => value);
  expect(values.sort()).toEqual(["new", "old"]);
  expect(host.coordinator.session.events.abandoned).toBe(1);
  await client.stats();
  expect(await audit(world)).toEqual([]);
  await world.close();
});

test("what could not be wiped is wiped before its key is written or deleted again", async () => {
  const world = new World();
  const host = await world.start();
  const client = await world.client();
  await world.put(client, "k", "old");
  // Written, then the connection breaks: neither the reply nor the wipe gets through.
  world.failure = ({ round }) => round?.[0]?.verb === Verb.write;
  world.failsAfter = true;
  await failureOf(world.put(client, "k", "late"), "PDPM_UNAVAILABLE");
  expect(host.coordinator.session.unwiped.size).toBe(1);
  expect((await validCells(world)).map(({ value }) => value).sort()).toEqual(["late", "old"]);
  await failureOf(world.put(client, "k", "later"), "PDPM_UNAVAILABLE");
  await failureOf(client.delete(toKey("k"), undefined, {}), "PDPM_UNAVAILABLE");
  world.failure = undefined;
  await world.put(client, "k", "new");
  expect((await validCells(world)).map(({ value }) => value).sort()).toEqual(["new", "old"]);
  await client.stats();
  expect(await audit(world)).toEqual([]);
  await world.close();
});

test("a conflict is no answer of a coordinator that was deposed", async () => {
  const world = new World();
  const old = await world.start();
  const client = await world.client();
  const version = await world.put(client, "k", "old");
  const greeting = await old.handle({ op: "hello" });
  world.isolate();
  await world.start();
  const newer = await world.put(client, "k", "new");
  // To the old one the key still has its old version: it would see a conflict, or none.
  for (const [op, ifVersion] of [
    ["put", newer],
    ["delete", newer],
    ["put", 0],
    ["put", version],
  ] as const) {
    const { done } = greeting as { done: object };
    const ticket = { ...done, slot: 0, sequence: 1 };
    const key = Buffer.from("k");
    const request = { op, key, value: Buffer.from("x"), ifVersion, timeoutMs: null, ticket };
    expect(await old.handle(request)).toEqual({ refused: true });
  }
  expect(await world.get(client, "k")).toBe("new");
  await world.close();
});

test("the same, when only the metadata service knows that it was deposed", async () => {
  const world = new World();
  const old = await world.start();
  const client = await world.client();
  const version = await world.put(client, "k", "old");
  const { done } = (await old.handle({ op: "hello" })) as { done: object };
  const change = world.stranger();
  await change({ do: "enter", pid: 1, kind: "pulse" });
  await change({ do: "markDead", dead: 1 });
  const write = {
    op: "put",
    key: Buffer.from("k"),
    value: Buffer.from("x"),
    ifVersion: version + 1,
    timeoutMs: null,
    ticket: { ...done, slot: 0, sequence: 1 },
  };
  expect(await old.handle(write)).toEqual({ refused: true });
  expect(world.deposed).toEqual([1]);
});

test("numbers of a key grow over its lives, also when another key of its shard dies", async () => {
  const world = new World();
  await world.start();
  const client = await world.client();
  let last = 0;
  for (let i = 0; i < 5; i += 1) {
    for (let j = 0; j < 3; j += 1) {
      const version = await world.put(client, "k", `${i}.${j}`);
      expect(version).toBeGreaterThan(last);
      last = version;
    }
    expect(await client.delete(toKey("k"), undefined, {})).toBe(last);
  }
  // The floor rises between the look-up and the commit of a creation.
  const pause = new Pause();
  world.hook = ({ request }) => (changeIn(request) === "create" ? pause.at() : undefined);
  const creating = world.put(client, "other", "v");
  await pause.reached;
  await raiseFloor(world, "other", 1_000);
  world.hook = undefined;
  pause.end();
  expect(await creating).toBeGreaterThan(1_000);
  await client.stats();
  expect(await audit(world)).toEqual([]);
  await world.close();
});

test("no commit number is used above the high-water mark in node 0's header", async () => {
  const world = new World();
  await world.start();
  const client = await world.client();
  const mark = (): number => {
    const word = new Uint8Array(8);
    world.memories[0]?.read(headerWordOffset.commitHighWater, word);
    return numberOf(wordAt(word, 0)) as number;
  };
  world.hook = ({ round }) => {
    for (const { verb, data } of round ?? []) {
      if (verb !== Verb.write) continue;
      const header = decodeBufferHeader(data as Uint8Array);
      expect(header?.commitNumber).toBeLessThanOrEqual(mark());
    }
  };
  expect(await world.put(client, "k", "v")).toBeLessThanOrEqual(mark());
  await raiseFloor(world, "k2", 5_000_000);
  expect(await world.put(client, "k2", "v")).toBe(5_000_001);
  await world.close();
});

/** A key of the same shard lives and dies, under such a number. */
async function raiseFloor(world: World, name: string, commitNumber: number): Promise<void> {
  const shard = (text: string): bigint => checksum64(Buffer.from(text)) & 0xffn;
  let twin = 0;
  while (shard(`twin ${twin}`) !== shard(name)) twin += 1;
  const key = Buffer.from(`twin ${twin}`);
  const change = world.stranger();
  await change({ do: "enter", pid: 1, kind: "pulse" });
  const lease = await change({ do: "lease", sizeClass: 0, buffers: 1 });
  const [part] = (lease as { spans: readonly SpanPart[] }).spans as [SpanPart];
  const address = addressOf(part.chunk, part.span * buffersPerSpan(0) * bufferBytes(0));
  const head = pointerTo(address, 1);
  await change({ do: "create", key, pointer: head, commitNumber: 1 });
  await change({ do: "forget", key, head, commitNumber, freed: [head] });
  const bitmap = part.bitmap.slice();
  bitmap[0] = (bitmap[0] as number) & ~1;
  await change({ do: "giveBack", spans: [{ ...part, bitmap }] });
  expect(await change({ do: "leave" })).toBe("left");
}

test("writers wait for one another per key, and all take numbers of their own", async () => {
  const world = new World();
  await world.start();
  const clients = [await world.client(), await world.client()];
  const puts = Array.from({ length: 100 }, (_, i) =>
    world.put(clients[i % 2] as (typeof clients)[0], "k", `${i}`),
  );
  const versions = await Promise.all(puts);
  expect(new Set(versions).size).toBe(100);
  expect(await world.get(clients[0] as (typeof clients)[0], "k")).toBe("99");
  await world.close();
});
