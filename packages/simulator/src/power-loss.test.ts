// What a power failure leaves of a memory: what was flushed, and of the rest any words, in the ways
// in which caches lose them.

import { Prng } from "@pdpm/base";
import { expect, test } from "vitest";
import { DurableMemory } from "./durable-memory.ts";
import { failedMemories, keptSubsets, PowerMemory } from "./power-memory.ts";

const words = 32;

function wordsIn(memory: DurableMemory | PowerMemory): readonly bigint[] {
  return [...new BigUint64Array(memory.image().buffer)];
}

/** Words 0 to 31 are 1 and durable; then they become 2, and words 8 to 15 are flushed. */
function written(): DurableMemory {
  const memory = new DurableMemory(8 * words);
  const all = (value: bigint): Uint8Array =>
    new Uint8Array(new BigUint64Array(words).fill(value).buffer);
  memory.write(0, all(1n));
  memory.flush(0, 8 * words);
  memory.write(0, all(2n));
  memory.flush(64, 64);
  return memory;
}

test("flushed words stay; of the others all, none, first ones, whole lines and any are kept", () => {
  const seen = { none: 0, prefix: 0, lines: 0, torn: 0 };
  for (let seed = 0; seed < 400; seed += 1) {
    const memory = written();
    memory.fail(new Prng(`seed ${seed}`));
    const after = wordsIn(memory);
    expect(after.slice(8, 16)).toEqual(Array(8).fill(2n));
    const rest = [...after.slice(0, 8), ...after.slice(16)];
    expect(rest.every((word) => word === 1n || word === 2n)).toBe(true);
    const kept = rest.filter((word) => word === 2n).length;
    const isPrefix = rest.slice(0, kept).every((word) => word === 2n);
    const isLines = [0, 8, 16].every((at) => new Set(rest.slice(at, at + 8)).size === 1);
    if (kept === 0) seen.none += 1;
    else if (isLines) seen.lines += 1;
    else if (isPrefix) seen.prefix += 1;
    else seen.torn += 1;
    // What is left is durable: it stays as it is when the power fails again.
    memory.fail(new Prng("again"));
    expect(wordsIn(memory)).toEqual(after);
  }
  for (const count of Object.values(seen)) expect(count).toBeGreaterThan(20);
});

test("all subsets of a few dirty words; of many those that tell most", () => {
  const dirty = (count: number) => Array.from({ length: count }, (_, word) => ({ node: 0, word }));
  const texts = (count: number): string[] =>
    keptSubsets(dirty(count), new Prng("subsets")).map(String);
  expect(texts(0)).toEqual([""]);
  expect(new Set(texts(10)).size).toBe(1024);
  const many = new Set(texts(20));
  const indexes = Array.from({ length: 20 }, (_, i) => i);
  for (let i = 0; i <= 20; i += 1) {
    expect(many).toContain(String(indexes.slice(0, i)));
    if (i < 20) expect(many).toContain(String(indexes.filter((one) => one !== i)));
  }
  for (const line of [0, 1, 2]) {
    expect(many).toContain(String(indexes.filter((i) => Math.floor(i / 8) !== line)));
  }
  expect(many.size).toBeGreaterThan(20 + 1 + 19 + 3 + 200);
});

test("a failed memory has what was durable and the words that were chosen, of each node", () => {
  const memories = [new PowerMemory(64), new PowerMemory(64)];
  for (const memory of memories) {
    memory.write(0, new Uint8Array(new BigUint64Array([1n, 1n, 1n]).buffer));
    memory.flush(0, 24);
    memory.write(0, new Uint8Array(new BigUint64Array([2n, 2n, 1n]).buffer));
  }
  const dirty = memories.flatMap((memory, node) => memory.dirty().map((word) => ({ node, word })));
  // What is written as it stood is no change.
  expect(dirty.map(({ node, word }) => `${node} ${word}`)).toEqual(["0 0", "0 1", "1 0", "1 1"]);
  const after = failedMemories(memories, dirty, [1, 2]);
  expect(after.map((memory) => wordsIn(memory).slice(0, 3))).toEqual([
    [1n, 2n, 1n],
    [2n, 1n, 1n],
  ]);
});
