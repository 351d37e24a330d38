// A cell that an operation is about to map: a cell in hand and its image, written valid (with its
// head mark), for nobody reaches it before the mapping leads there. Whatever happens, the cell ends
// in exactly one place: mapped; wiped and back in the pool; waiting to be wiped; or in doubt (H14,
// H23).

import { assert, isPdpmError } from "@pdpm/base";
import { type Key, keyBytes } from "@pdpm/kv";
import {
  addressIn,
  bufferClassFor,
  bufferFields,
  bufferHeaderBytes,
  bufferImageBytes,
  encodeBuffer,
  headMarkOf,
  type Pointer,
  renewHeader,
} from "@pdpm/layout";
import { type Protocol, round, write } from "@pdpm/verbs";
import { raiseHighWater } from "./high-water.ts";
import { leaveUnwiped } from "./leftovers.ts";
import type { Context } from "./session.ts";
import { wipe } from "./wipe.ts";

/** Where a cell of a class comes from. @throws PDPM_NO_SPACE (not-applied) */
export type TakeCell = (context: Context, sizeClass: number) => Protocol<Pointer>;

/** A cell in the making. */
export class NewCell {
  readonly pointer: Pointer;
  readonly sizeClass: number;
  readonly image: Uint8Array;
  readonly value: Uint8Array;
  commitNumber: number;
  readonly #context: Context;
  readonly #key: Key;
  #isHeld = true;

  private constructor(
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
    this.value = value;
    this.image = encodeBuffer(pointer, commitNumber, keyBytes(key), value);
    markValid(this.image, pointer);
  }

  /** Takes a cell and writes the value there, durably: one round trip. @throws PDPM_NO_SPACE */
  static *write(
    context: Context,
    key: Key,
    value: Uint8Array,
    commitNumber: number,
    take: TakeCell,
  ): Protocol<NewCell> {
    yield* raiseHighWater(context, commitNumber);
    const sizeClass = bufferClassFor(bufferImageBytes(keyBytes(key).length, value.length));
    const pointer = yield* take(context, sizeClass);
    const cell = new NewCell(context, key, pointer, sizeClass, value, commitNumber);
    yield* cell.#write(cell.image);
    return cell;
  }

  /** Another number, in the first 64 bytes: one round trip (H22). */
  *renumber(commitNumber: number): Protocol<void> {
    yield* raiseHighWater(this.#context, commitNumber);
    renewHeader(this.image, this.pointer, commitNumber);
    markValid(this.image, this.pointer);
    this.commitNumber = commitNumber;
    yield* this.#write(this.image.subarray(0, bufferHeaderBytes));
  }

  *#write(bytes: Uint8Array): Protocol<void> {
    const { session } = this.#context;
    const address = addressIn(this.pointer);
    try {
      yield* round(write(address, bytes), ...session.flushes(address, bytes.length));
    } catch (error) {
      yield* this.abandon();
      throw error;
    }
  }

  /** It is mapped. */
  mapped(): void {
    this.#end();
    this.#context.session.pool.mapped(this.sizeClass, this.pointer);
  }

  /** It is not mapped, and will not be: wiped, and back into the pool, if it is still held. */
  *abandon(): Protocol<void> {
    if (!this.#isHeld) return;
    this.#end();
    const { session } = this.#context;
    session.events.abandoned += 1;
    try {
      yield* wipe(this.#context, [this.pointer]);
      session.pool.give(this.sizeClass, this.pointer);
    } catch (error) {
      if (!isPdpmError(error)) throw error;
      // What made the write fail is what the caller hears; the wipe is tried again.
      leaveUnwiped(session, this.#key, this);
    }
  }

  /** Nobody here can tell whether it is mapped. */
  doubted(): void {
    this.#end();
    this.#context.session.doubt(this.pointer);
  }

  #end(): void {
    assert(this.#isHeld, "a cell ends in one place");
    this.#isHeld = false;
  }
}

function markValid(image: Uint8Array, pointer: Pointer): void {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  view.setBigUint64(bufferFields.headMark, headMarkOf(pointer), true);
}
