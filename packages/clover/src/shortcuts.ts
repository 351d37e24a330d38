// Shortcuts: 8-byte cells in the root chunk that lead to some recent version of an entry. A cell is
// chosen by the key's hash; two keys may share one, and then the later writer's stays.
//
// A hint only (H8): it may be stale, point backwards, or be of another key. Published after the
// write it names was acknowledged, by plain writes that nobody waits for. Source: paper section
// 4.2.

import { type Key, keyBytes } from "@pdpm/kv";
import { type Address, addressOf, checksum64, isPointer, type Pointer, wordAt } from "@pdpm/layout";

/** Where the cells of a store are. */
export class Shortcuts {
  readonly #cells: number;

  constructor(chunkBytes: number) {
    this.#cells = chunkBytes / 8;
  }

  /** The cell of a key. */
  cell(key: Key): Address {
    const hash = checksum64(keyBytes(key));
    return addressOf(0, Number(hash & BigInt(this.#cells - 1)) * 8);
  }

  /** The bytes of a cell that leads to `pointer`. */
  encode(pointer: Pointer): Uint8Array {
    return new Uint8Array(new BigUint64Array([pointer]).buffer);
  }

  /** Where a cell leads, if anywhere. */
  decode(bytes: Uint8Array): Pointer | undefined {
    const word = wordAt(bytes, 0);
    return isPointer(word) ? word : undefined;
  }
}
