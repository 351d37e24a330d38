// A version that an operation is about to link: a buffer in hand and its image. Whatever happens,
// the buffer ends in exactly one place: linked, back in the pool, or in doubt (H14).

import { type Decision, type Key, keyBytes } from "@pdpm/kv";
import {
  type Address,
  addressIn,
  bufferHeaderBytes,
  encodeBuffer,
  type Pointer,
  renewHeader,
} from "@pdpm/layout";
import { type Post, type Protocol, round, write } from "@pdpm/verbs";
import { raiseHighWater } from "./high-water.ts";
import type { Context } from "./session.ts";

/** A version in the making. */
export class NewVersion {
  readonly pointer: Pointer;
  readonly sizeClass: number;
  readonly image: Uint8Array;
  commitNumber: number;
  readonly #value: Uint8Array;
  readonly #context: Context;
  readonly #key: Key;
  #isHeld = true;

  /** In `pointer`, a buffer in hand of this class. Nothing is written yet. */
  constructor(
    context: Context,
    key: Key,
    pointer: Pointer,
    sizeClass: number,
    value: Uint8Array,
    commitNumber: number,
  ) {
    this.#context = context;
    this.#key = key;
    this.pointer = pointer;
    this.sizeClass = sizeClass;
    this.commitNumber = commitNumber;
    this.#value = value;
    this.image = encodeBuffer(pointer, commitNumber, keyBytes(key), value);
  }

  get address(): Address {
    return addressIn(this.pointer);
  }

  /** Writes all of it, durably. */
  posts(): Post<void>[] {
    const { address, image } = this;
    return [write(address, image), ...this.#context.session.flushes(address, image.length)];
  }

  /** Bytes of header, key and value. */
  get bytes(): number {
    return this.image.length;
  }

  /** Whether this is still what `decision` wants, but for the number. */
  carries(decision: Decision): boolean {
    return decision.value === this.#value;
  }

  /** Another number and checksum, in the first 64 bytes: one round trip (H1, H22). */
  *renumber(commitNumber: number): Protocol<void> {
    const { session } = this.#context;
    yield* raiseHighWater(this.#context, commitNumber);
    renewHeader(this.image, this.pointer, commitNumber);
    this.commitNumber = commitNumber;
    const header = this.image.subarray(0, bufferHeaderBytes);
    yield* round(write(this.address, header), ...session.flushes(this.address, bufferHeaderBytes));
  }

  /** It is linked. */
  linked(): void {
    this.#end();
    this.#context.session.pool.used(this.sizeClass, this.pointer);
  }

  /** It was not linked, and cannot be by now: back into the pool, if it is still held. */
  release(): void {
    if (!this.#isHeld) return;
    this.#end();
    this.#context.session.pool.give(this.sizeClass, this.pointer);
  }

  /** Nobody here can tell whether it was linked. */
  doubted(): void {
    this.#end();
    this.#context.session.doubt(this.#key, this.pointer, this.sizeClass);
  }

  #end(): void {
    this.#isHeld = false;
  }
}
