// A part of a round as a server applies it: a cursor over the verbs that a frame brought.

import {
  Opcode,
  replyFrameBytesMost,
  swapDesiredWord,
  swapExpectedWord,
  verbBytes,
  verbFrameBytes,
  verbHeaderBytes,
  verbOffset,
  verbOpcode,
} from "@pdpm/layout/frame";
import { Post, Verb } from "@pdpm/verbs";

/** Bytes that `verbs` verbs from `at` take, with the most that their replies can take. */
export function costOf(view: DataView, at: number, verbs: number): number {
  let cost = 0;
  let next = at;
  for (let verb = 0; verb < verbs; verb += 1) {
    const opcode = verbOpcode(view, next);
    const bytes = verbBytes(view, next);
    const size = verbFrameBytes(opcode, bytes);
    cost += size + replyFrameBytesMost(opcode, bytes);
    next += size;
  }
  return cost;
}

/** Where `verbs` verbs from `at` end. */
export function endOf(view: DataView, at: number, verbs: number): number {
  let next = at;
  for (let verb = 0; verb < verbs; verb += 1) {
    next += verbFrameBytes(verbOpcode(view, next), verbBytes(view, next));
  }
  return next;
}

/** The verbs of one part that were not applied yet. Its frame was looked over as a whole. */
export class Part {
  readonly round: number;
  #view: DataView;
  #at: number;
  #left: number;

  constructor(round: number, view: DataView, at: number, verbs: number) {
    this.round = round;
    this.#view = view;
    this.#at = at;
    this.#left = verbs;
  }

  get isDone(): boolean {
    return this.#left === 0;
  }

  /** See `costOf`. */
  get cost(): number {
    return costOf(this.#view, this.#at, this.#left);
  }

  /** The next verb. A read has no target yet; a write's data stands in the frame. */
  next(): Post {
    const view = this.#view;
    const at = this.#at;
    const opcode = verbOpcode(view, at);
    const bytes = verbBytes(view, at);
    this.#at += verbFrameBytes(opcode, bytes);
    this.#left -= 1;
    const isSwap = opcode === Opcode.compareAndSwap;
    const post = new Post(
      opcode as Verb,
      0,
      bytes,
      opcode === Verb.write
        ? new Uint8Array(view.buffer, view.byteOffset + at + verbHeaderBytes, bytes)
        : undefined,
      isSwap ? swapExpectedWord(view, at) : 0n,
      isSwap ? swapDesiredWord(view, at) : 0n,
      "",
      undefined,
    );
    post.offset = verbOffset(view, at);
    return post;
  }

  /** Lets go of the frame: what waits keeps a copy of its own verbs alone. */
  detach(): void {
    const start = this.#view.byteOffset + this.#at;
    const bytes = endOf(this.#view, this.#at, this.#left) - this.#at;
    const copy = new Uint8Array(this.#view.buffer, start, bytes).slice();
    this.#view = new DataView(copy.buffer);
    this.#at = 0;
  }
}
