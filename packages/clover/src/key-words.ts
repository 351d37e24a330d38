// A key as 32-bit words with a hash, made in one pass over its characters and without encoding:
// what the cursor cache hashes, keeps and compares.
//
// What must hold: two keys have the same words and the same shape exactly when they are the same
// string. So words and shape are compared, never the hash alone.
//
//   shape = bytes | form << 12      bytes 1 to 2048, the last word is padded with zeros
//   form 0 text of characters below 256, a byte each   1 any text, two bytes per character
//        2 a byte key: its mark is left out, a byte each

import { assert } from "@pdpm/base";
import { type Key, keyBytesMost } from "@pdpm/kv";

const bytesMark = 0xdc00;
const formShift = 12;
/** Form of text with characters of 256 and above. */
const wide = 1;
/** Form of keys that are not UTF-8. */
const binary = 2;

/** Words of the longest key: as many characters as it has bytes, two bytes each. */
const keyWordsMost = keyBytesMost / 2;

/** Bytes of the key that has this shape. */
export function shapeBytes(shape: number): number {
  return shape & ((1 << formShift) - 1);
}

/** Form of the key that has this shape. */
export function shapeForm(shape: number): number {
  return shape >>> formShift;
}

/** Words of the key that has this shape. */
export function shapeWords(shape: number): number {
  return (shapeBytes(shape) + 3) >>> 2;
}

/** The key that was packed last. One per cache, so that a look-up allocates nothing. */
export class KeyWords {
  /** The key's words; what stands behind them is of no meaning. */
  readonly words: Uint32Array = new Uint32Array(keyWordsMost);
  /** See the head of this file. Never 0. */
  shape = 0;
  readonly #hashMask: number;

  /** Of a hash only the bits in `hashMask` count: with few of them, tests make keys collide. */
  constructor(hashMask: number) {
    this.#hashMask = hashMask;
  }

  /** Packs a key. Returns its hash, as a signed 32-bit number. */
  pack(key: Key): number {
    const words = this.words;
    const { length } = key;
    assert(length > 0, "a key has no characters");
    let at = key.charCodeAt(0) === bytesMark ? 1 : 0;
    this.shape = (length - at) | (at === 0 ? 0 : binary << formShift);
    let seen = 0;
    let hash = this.shape;
    let count = 0;
    for (; at + 4 <= length; at += 4) {
      const a = key.charCodeAt(at);
      const b = key.charCodeAt(at + 1);
      const c = key.charCodeAt(at + 2);
      const d = key.charCodeAt(at + 3);
      seen |= a | b | c | d;
      const word = a | (b << 8) | (c << 16) | (d << 24);
      words[count] = word;
      count += 1;
      hash = mix(hash, word);
    }
    if (at < length) {
      let word = 0;
      for (let shift = 0; at < length; at += 1, shift += 8) {
        const code = key.charCodeAt(at);
        seen |= code;
        word |= code << shift;
      }
      words[count] = word;
      hash = mix(hash, word);
    }
    return seen < 256 ? finish(hash) & this.#hashMask : this.#packWide(key);
  }

  /** Two bytes per character. */
  #packWide(key: Key): number {
    const { length } = key;
    assert(length <= 2 * keyWordsMost, `a key of ${length} characters is longer than any`);
    this.shape = (2 * length) | (wide << formShift);
    let hash = this.shape;
    for (let at = 0; at < length; at += 2) {
      const word = key.charCodeAt(at) | (at + 1 < length ? key.charCodeAt(at + 1) << 16 : 0);
      this.words[at >>> 1] = word;
      hash = mix(hash, word);
    }
    return finish(hash) & this.#hashMask;
  }
}

function mix(hash: number, word: number): number {
  const product = Math.imul(hash ^ word, 0x9e3779b1);
  return product ^ (product >>> 15);
}

/** The end of MurmurHash3: every bit of the hash comes to depend on every bit of the last word. */
function finish(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
