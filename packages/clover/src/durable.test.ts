// When an operation of a 'power' store is acknowledged, everything that it wrote is durable, and so
// is everything that the metadata service was told before buffers are free: data, links, seals,
// head marks set and wiped, the high-water mark. Only hints are not, and marks that say "pending"
// where a flush was behind them.

import { headMarkOf, numberOf, pendingHeadMarkOf, withPending, wordAt } from "@pdpm/layout";
import { headerWordOffset, regionHeaderBytes } from "@pdpm/layout/region-header";
import type { ArrayMemory } from "@pdpm/verbs";
import { expect, test } from "vitest";
import { collectAll } from "./collect.ts";
import { chunkBytes, World } from "./contract-scene.ts";
import { giveEverythingBack } from "./hand-back.ts";
import { highWaterStep } from "./high-water.ts";
import { publishShortcuts } from "./shortcut-cells.ts";

const markBits = headMarkOf(0n) ^ pendingHeadMarkOf(0n);
const rootEnd = regionHeaderBytes + chunkBytes;

/** Follows what is durable; `lost` are the words that a power failure would take back. */
function follow(memory: ArrayMemory): { lost(): string[]; durableWord(offset: number): bigint } {
  const image = (): Uint8Array => {
    const bytes = new Uint8Array(memory.sizeBytes);
    memory.read(0, bytes);
    return bytes;
  };
  const capacity = regionHeaderBytes + 16 * chunkBytes;
  const durable = new Uint8Array(capacity);
  durable.set(image());
  memory.flush = (offset, bytes) => {
    const flushed = new Uint8Array(bytes);
    memory.read(offset, flushed);
    durable.set(flushed, offset);
    return undefined;
  };
  const lost = (): string[] => {
    const now = image();
    const words: string[] = [];
    for (let at = 0; at < now.length; at += 8) {
      const [word, kept] = [wordAt(now, at), wordAt(durable, at)];
      const isHint = at >= regionHeaderBytes && at < rootEnd;
      const wasPending = kept === withPending(word) || (word ^ kept) === markBits;
      if (word !== kept && !isHint && !wasPending) words.push(`${at}: ${kept} for ${word}`);
    }
    return words;
  };
  return { lost, durableWord: (offset) => wordAt(durable, offset) };
}

test("nothing of an acknowledged operation is lost with the power", async () => {
  const world = new World();
  const client = await world.client();
  const other = await world.client();
  const { lost } = follow(world.memory);
  const steps: Record<string, () => unknown> = {
    insert: () => client.put("key", "first"),
    "update of another client": () => other.put("key", "second"),
    update: () => client.put("key", "third"),
    "lost race": () => Promise.all([client.put("key", "mine"), other.put("key", "theirs")]),
    "report of what was replaced": () => client.run(giveEverythingBack),
    collection: () => other.run(collectAll),
    delete: () => client.delete("key"),
    "forgotten key": () => client.run(giveEverythingBack),
    "next life": () => other.put("key", "again"),
    shortcuts: () => other.run(publishShortcuts),
  };
  for (const [name, step] of Object.entries(steps)) {
    await step();
    expect(lost(), name).toEqual([]);
  }
});

test("no commit number is used above a mark that is durable", async () => {
  const world = new World();
  const client = await world.client();
  const { durableWord } = follow(world.memory);
  const mark = (): number => numberOf(durableWord(headerWordOffset.commitHighWater)) ?? -1;
  expect(mark()).toBe(0);
  const write = client.stepWrite("key", "value");
  const written = Buffer.from("value");
  const isWritten = (): boolean => {
    const bytes = new Uint8Array(world.memory.sizeBytes);
    world.memory.read(0, bytes);
    return Buffer.from(bytes).includes(written);
  };
  while (!isWritten()) await write.advance(1);
  expect(mark()).toBe(highWaterStep);
  await write.advance(100);
  await client.put("key", "value 2");
  expect(mark()).toBe(highWaterStep);
});
