// Seeded randomness (sfc32 over a splitmix-expanded seed). The only source of randomness: the same
// seed gives the same numbers on every machine. Not for secrets.

import { randomBytes } from "node:crypto";
import { assert } from "./assert.ts";

function mix(value: number): number {
  let x = value | 0;
  x = Math.imul(x ^ (x >>> 16), 0x21f0aaad);
  x = Math.imul(x ^ (x >>> 15), 0x735a2d97);
  return (x ^ (x >>> 15)) >>> 0;
}

function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  return hash >>> 0;
}

/** A deterministic stream of numbers from one seed. */
export class Prng {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;
  readonly #seedText: string;

  constructor(seed: number | bigint | string) {
    this.#seedText = String(seed);
    const hash = hashText(this.#seedText);
    this.#a = mix(hash + 0x9e3779b9);
    this.#b = mix(hash + 0x3c6ef372);
    this.#c = mix(hashText(`${this.#seedText}/c`));
    for (let i = 0; i < 12; i += 1) this.u32();
  }

  /** A generator whose seed no one chose. */
  static random(): Prng {
    return new Prng(randomBytes(8).readBigUInt64LE());
  }

  /** An integer in [0, 2^32). */
  u32(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** A number in [0, 1) with 53 random bits. */
  float(): number {
    return ((this.u32() >>> 5) * 0x4000000 + (this.u32() >>> 6)) / 0x20000000000000;
  }

  /** An integer in [0, bound). */
  below(bound: number): number {
    assert(bound >= 1, `bound ${bound} must be at least 1`);
    return Math.floor(this.float() * bound);
  }

  /** True with the given probability. */
  chance(probability: number): boolean {
    return this.float() < probability;
  }

  /** `count` random bytes. */
  bytes(count: number): Uint8Array {
    const bytes = new Uint8Array(count);
    for (let i = 0; i < count; i += 1) bytes[i] = this.u32() & 0xff;
    return bytes;
  }

  /** A 64-bit word. */
  word(): bigint {
    return (BigInt(this.u32()) << 32n) | BigInt(this.u32());
  }

  /** A generator of its own for one part, independent of how much the parent has drawn. */
  fork(label: string): Prng {
    return new Prng(`${this.#seedText}/${label}`);
  }
}
