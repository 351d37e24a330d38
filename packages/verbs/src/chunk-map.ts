// The client's copy of the chunk table, as far as reaching memory goes: chunk -> node and place.
// What it lists was read from the durable table; a chunk that is not listed cannot be reached.

import { assert } from "@pdpm/base";
import { chunkBytesMost, chunkOf, headerChunk, offsetOf } from "@pdpm/layout/address";
import type { Post } from "./round.ts";

/** Chunk -> (memory node, byte offset of the chunk in that node's region). One replica for now. */
export class ChunkMap {
  readonly #nodes: number[] = [];
  readonly #offsets: number[] = [];
  /** The node of the chunk that stands for the regions' headers: far behind all other numbers. */
  #headerNode = -1;
  #headerOffset = 0;
  /** Bytes of every chunk of this store. */
  readonly chunkBytes: number;

  constructor(chunkBytes: number) {
    assert(chunkBytes <= chunkBytesMost, `a chunk of ${chunkBytes} bytes is too large`);
    this.chunkBytes = chunkBytes;
  }

  /** From now on `chunk` stands at `offset` of `node`. A chunk never moves while it is listed. */
  set(chunk: number, node: number, offset: number): void {
    if (chunk === headerChunk) {
      this.#headerNode = node;
      this.#headerOffset = offset;
      return;
    }
    while (this.#nodes.length <= chunk) {
      this.#nodes.push(-1);
      this.#offsets.push(0);
    }
    this.#nodes[chunk] = node;
    this.#offsets[chunk] = offset;
  }

  /** From now on `chunk` is nowhere. */
  forget(chunk: number): void {
    if (chunk < this.#nodes.length) this.#nodes[chunk] = -1;
  }

  /** Sets `post.offset` and returns the node, or -1 when no node carries the whole range. */
  place(post: Post): number {
    const chunk = chunkOf(post.address);
    const node = this.#nodes[chunk];
    const offset = offsetOf(post.address);
    if (offset + post.bytes > this.chunkBytes) return -1;
    if (node === undefined) {
      if (chunk !== headerChunk) return -1;
      post.offset = this.#headerOffset + offset;
      return this.#headerNode;
    }
    post.offset = (this.#offsets[chunk] as number) + offset;
    return node;
  }
}
