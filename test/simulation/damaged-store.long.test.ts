// 10,000 damages of each kind, for each design: no read returns what was never written under its
// key (F5, I4), and damage is said.

import { Prng } from "@pdpm/base";
import { expect, test } from "vitest";
import {
  damagedCentral,
  damagedClover,
  damagedDirect,
  damages,
  type Images,
} from "./damaged-store.ts";
import { beginNote } from "./evidence/note.ts";

const damagesOfKind = 10_000;
const names = Array.from({ length: 24 }, (_, i) => `key ${i}`);
const rounds = 6;

/** Unique, of different lengths, and derived from key and round. */
function makeValue(prng: Prng, name: string, round: number): string {
  const filler = Buffer.from(prng.bytes(prng.below(200))).toString("latin1");
  return `${name} in round ${round}: ${filler}`;
}

/** The first and last byte that the store's life has changed. */
function touched(images: Images): readonly [number, number] {
  const [first, last] = [images[0] as Uint8Array, images.at(-1) as Uint8Array];
  let from = 0;
  while (first[from] === last[from]) from += 1;
  let to = last.length;
  while (first[to - 1] === last[to - 1]) to -= 1;
  return [from & ~4095, (to + 4095) & ~4095];
}

/** Where the version that holds this text stands, with its header; whole lines. */
function placeOf(image: Buffer, text: string): readonly [number, number] {
  const at = image.indexOf(text);
  expect(at, text).toBeGreaterThan(256);
  return [(at - 128) & ~63, (at + 256 + 63) & ~63];
}

test.each([
  ["clover", damagedClover],
  ["direct", damagedDirect],
  ["central", damagedCentral],
] as const)("%s: a damaged store never says what nobody wrote", async (design, make) => {
  const prng = new Prng(`damage of ${design}`);
  const store = await make();
  const { memory } = store;
  const image = (): Uint8Array => {
    const bytes = new Uint8Array(memory.sizeBytes);
    memory.read(0, bytes);
    return bytes;
  };
  const written = new Map<string, string[]>(names.map((name) => [name, []]));
  // One round before: the store has its size by then.
  for (const name of names) await store.put(name, makeValue(prng, name, 0));
  for (const name of names) written.set(name, []);
  const images: Uint8Array[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    for (const name of names) {
      const value = makeValue(prng, name, round);
      written.get(name)?.push(value);
      await store.put(name, value);
    }
    images.push(image());
  }
  const range = touched([new Uint8Array(memory.sizeBytes), ...images]);
  const last = Buffer.from(images.at(-1) as Uint8Array);
  const near = new Map(names.map((name) => [name, placeOf(last, `${name} in round ${rounds}:`)]));
  for (const [kind, damage] of Object.entries(damages)) {
    const note = beginNote("damaged", design, "simulated", kind);
    const count = { damages: 0, latest: 0, earlier: 0, missing: 0, said: 0 };
    for (let n = 0; n < damagesOfKind; n += 1) {
      const name = names[prng.below(names.length)] as string;
      const isNear = prng.chance(0.8) && !kind.startsWith("a page");
      damage(prng, memory, images, isNear ? (near.get(name) ?? range) : range);
      count.damages += 1;
      const answer = await store.get(name, prng.chance(0.5));
      memory.write(0, images.at(-1) as Uint8Array);
      const values = written.get(name) ?? [];
      if (answer === "missing") count.missing += 1;
      else if ("code" in answer) count.said += 1;
      else if (answer.value === values.at(-1)) count.latest += 1;
      else if (values.includes(answer.value)) count.earlier += 1;
      else expect.unreachable(`${kind} ${n}: ${name} is ${JSON.stringify(answer.value)}`);
    }
    const text = `${design}, ${kind}: ${JSON.stringify(count)}`;
    // Of an earlier region only the directory of Clover and Central knows, which was not put back.
    if (kind === "an earlier region") expect(count.latest, text).toBe(0);
    else expect(count.said, text).toBeGreaterThan(0);
    if (kind !== "an earlier region" && kind !== "a lost write") {
      expect(count.earlier, text).toBe(0);
      expect(count.latest, text).toBeGreaterThan(damagesOfKind / 4);
    }
    note(count);
  }
});
