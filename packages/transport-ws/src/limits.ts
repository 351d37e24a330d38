// The bounds of this transport, in one place: every queue, buffer and wait has one of these.
// Client and server halves must agree: a client that keeps `inFlightBytesMost` never meets the
// server's `askedBytesMost`.

import { assert } from "@pdpm/base";
import { Opcode, partVerbsLimit, replyHeaderBytes } from "@pdpm/layout/frame";
import { Verb } from "@pdpm/verbs";

assert(Opcode.read === Verb.read, "a frame's opcodes are the verbs' numbers");
assert(Opcode.write === Verb.write, "a frame's opcodes are the verbs' numbers");
assert(Opcode.compareAndSwap === Verb.compareAndSwap, "opcodes are the verbs' numbers");
assert(Opcode.flush === Verb.flush, "a frame's opcodes are the verbs' numbers");

/**
 * Frames are filled up to this. Sockets are read in pieces of 64 KiB; a frame that spans more of
 * them is copied together first, into memory that the collector then has to chase: with 256 in
 * flight, frames of 256 KiB cost a reading client up to twice the CPU time per verb (3.9 against
 * 2.0 us).
 */
export const batchBytes: number = 64 * 1024;
assert(batchBytes / replyHeaderBytes < partVerbsLimit, "a part's count must have room for a batch");

/** Bytes of requests sent and of replies asked for, not answered yet, per connection. */
export const inFlightBytesMost: number = 8 * 2 ** 20;
/** What a node holds or owes per connection; a client that asks for more is cut off. */
export const askedBytesMost: number = 2 * inFlightBytesMost;
/** Rounds that wait at a client behind the window. */
export const queuedRoundsMost: number = 2 ** 20;
/** Control calls of one connection that wait for their answer. */
export const callsMost = 64;
/** Frame buffers kept for reuse, per process. */
export const spareFramesMost = 32;
/** Client ids are below this: they have 27 bits in the words that name an owner. */
export const clientIdLimit: number = 2 ** 27;

/** Limits of the ws library, for both halves. A frame is one message of one fragment. */
export const wsLimits = {
  perMessageDeflate: false,
  maxFragments: 16,
  maxBufferedChunks: 1024,
  skipUTF8Validation: true,
} as const;

/** Close codes: RFC 6455's, and ours above 4000. */
export const CloseCode = {
  normal: 1000,
  goingAway: 1001,
  malformed: 1002,
  policy: 1008,
  tooBig: 1009,
  /** This client id was fenced, or came back on another connection. */
  fenced: 4001,
} as const;

/** A close reason may not be longer than 123 bytes. */
export function closeReason(text: string): string {
  return text.length <= 120 ? text : `${text.slice(0, 117)}...`;
}
