// Words of keys that are too long to stand in a cursor's own 64 bytes: one array, cut into blocks
// of a few sizes. A freed block is taken again by a key of its size class.
//
// What must hold: a block is held by one cursor or is in the free list of its class. When there is
// no room, the array is rebuilt from the held blocks alone, half as large again as they are: so its
// size follows what is held, whatever lengths came and went before.
//
//   block: shape of the key (1 word; next free block while it is free), then the key's words

import { assert } from "@pdpm/base";
import { type KeyWords, shapeWords } from "./key-words.ts";

/** Words of a block, by class: each at most half as large again as the one before. */
const blockSizes: readonly number[] = [12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 513];
/** The class of a block of so many words. */
const classOf: Uint8Array = Uint8Array.from({ length: 514 }, (_, words) =>
  blockSizes.findIndex((size) => size >= words),
);

function blockClass(shape: number): number {
  const found = classOf[1 + shapeWords(shape)];
  assert(found !== undefined, "a key is longer than any block");
  return found;
}

/** See the head of this file. A block is named by its offset, in words; 0 is none. */
export class LongKeys {
  #words: Uint32Array = new Uint32Array(1);
  /** Words in use from the array's beginning; word 0 is left out. */
  #end = 1;
  /** Words of held blocks. */
  #held = 0;
  readonly #free: Uint32Array = new Uint32Array(blockSizes.length);

  get bytes(): number {
    return this.#words.byteLength + this.#free.byteLength;
  }

  /** Whether the block holds the packed key. */
  holds(block: number, key: KeyWords): boolean {
    if (this.#words[block] !== key.shape) return false;
    const count = shapeWords(key.shape);
    for (let i = 0; i < count; i += 1) {
      if (this.#words[block + 1 + i] !== key.words[i]) return false;
    }
    return true;
  }

  /** Whether there is a block for the packed key; if not, `rebuild`. */
  hasRoom(key: KeyWords): boolean {
    const sizeClass = blockClass(key.shape);
    if (this.#free[sizeClass] !== 0) return true;
    return this.#end + (blockSizes[sizeClass] as number) <= this.#words.length;
  }

  /** Keeps the packed key. Returns its block. */
  add(key: KeyWords): number {
    const block = this.#take(blockClass(key.shape));
    this.#words[block] = key.shape;
    this.#words.set(key.words.subarray(0, shapeWords(key.shape)), block + 1);
    return block;
  }

  /** Frees a block. */
  remove(block: number): void {
    const sizeClass = blockClass(this.#words[block] as number);
    this.#words[block] = this.#free[sizeClass] as number;
    this.#free[sizeClass] = block;
    this.#held -= blockSizes[sizeClass] as number;
  }

  /**
   * A new array, with room for the packed key. Into it `move` moves the blocks that are held: it
   * is called with a function that takes a block's old offset and returns the new one.
   */
  rebuild(key: KeyWords, move: (moved: (block: number) => number) => void): void {
    const old = this.#words;
    const held = this.#held;
    const wanted = held + (blockSizes[blockClass(key.shape)] as number);
    this.#words = new Uint32Array(1 + wanted + (wanted >>> 1));
    this.#end = 1;
    this.#held = 0;
    this.#free.fill(0);
    move((block) => {
      const shape = old[block] as number;
      const target = this.#take(blockClass(shape));
      this.#words.set(old.subarray(block, block + 1 + shapeWords(shape)), target);
      return target;
    });
    assert(this.#held === held, `${held} words were held, ${this.#held} were moved`);
  }

  #take(sizeClass: number): number {
    const size = blockSizes[sizeClass] as number;
    const free = this.#free[sizeClass] as number;
    this.#held += size;
    if (free !== 0) {
      this.#free[sizeClass] = this.#words[free] as number;
      return free;
    }
    const block = this.#end;
    this.#end += size;
    assert(this.#end <= this.#words.length, "the array of long keys is full");
    return block;
  }
}
