// Wire frames: what one binary ws message between a client and a memory node carries.
//
// What must hold:
// - A frame is looked over as a whole (`invalidRequestFrame`, ...) before anything in it counts:
//   the readers below trust what those functions let through, and check nothing themselves.
// - A range outside the region is no defect of the frame: the node replies so for that verb alone.
// - Everything starts at a multiple of 8 bytes from the frame's start; padding is zero.
// - Opcodes, operations and status codes are written out here and never reused.
// Source: FORMAT.md section 8.

import { assert, type ErrorCode, type ErrorOutcome, errorCodes } from "@pdpm/base";

/** The version of this protocol; a hello names it. */
export const frameProtocolVersion = 1;

/** What a frame carries: its first byte. */
export const FrameKind = { rounds: 1, replies: 2, call: 3, answer: 4 } as const;

/** Verbs on the wire: the numbers of `Verb` in @pdpm/verbs. */
export const Opcode = { read: 1, write: 2, compareAndSwap: 3, flush: 4 } as const;

/** Control operations; numbers are never reused. */
export const controlNumber = {
  hello: 1,
  admit: 2,
  fence: 3,
  judge: 4,
  extend: 5,
  stats: 6,
} as const;
/** A control operation. */
export type ControlOperation = keyof typeof controlNumber;

/** Numbers of the error codes; 0 means that there is none. Never reused. */
export const statusNumber: Readonly<Record<ErrorCode, number>> = {
  PDPM_INVALID_ARGUMENT: 1,
  PDPM_CONFLICT: 2,
  PDPM_BUSY: 3,
  PDPM_TIMEOUT: 4,
  PDPM_ABORTED: 5,
  PDPM_UNAVAILABLE: 6,
  PDPM_FENCED: 7,
  PDPM_CLOSED: 8,
  PDPM_NO_SPACE: 9,
  PDPM_CORRUPT: 10,
  PDPM_POISONED: 11,
  PDPM_WRONG_STORE: 12,
  PDPM_IN_USE: 13,
  PDPM_UNSUPPORTED: 14,
};

const codeByStatus = new Map<number, ErrorCode>(
  Object.entries(statusNumber).map(([code, status]) => [status, code as ErrorCode]),
);
const operationByNumber = new Map<number, ControlOperation>(
  Object.entries(controlNumber).map(([name, number]) => [number, name as ControlOperation]),
);
assert(codeByStatus.size === Object.keys(errorCodes).length, "every error code needs a number");

/** Frames are filled up to this; a larger verb travels alone. */
export const frameBytesMost: number = 256 * 1024;
/** The largest ws message that either side takes. */
export const messageBytesMost: number = 2 ** 20 + 64 * 1024;
/** A call's or an answer's JSON text is not longer than this, in bytes. */
export const controlBytesMost: number = 16 * 1024;
/** The text of a failure in a reply is cut to this many bytes. */
export const failureTextBytesMost = 184;

/** kind 1 | operation 1 | status 1 | outcome 1 | number 4. */
export const frameHeaderBytes = 8;
/** round 4 | verbs 2 | more 1 | zero 1; in a reply `more` is zero, too. */
export const partHeaderBytes = 8;
/** opcode 1 | zero 3 | bytes 4 | offset 8. */
export const verbHeaderBytes = 16;
/** status 1 | outcome 1 | zero 2 | bytes 4. */
export const replyHeaderBytes = 8;
/** A part holds fewer verbs than this. */
export const partVerbsLimit: number = 2 ** 16;

const at = { kind: 0, operation: 1, status: 2, outcome: 3, number: 4 } as const;
const partAt = { round: 0, verbs: 4, more: 6, zero: 7 } as const;
const verbAt = { opcode: 0, zero: 1, bytes: 4, offset: 8, expected: 16, desired: 24 } as const;
const replyAt = { status: 0, outcome: 1, zero: 2, bytes: 4 } as const;

/** `bytes`, at most `messageBytesMost`, rounded up to whole words. */
export function padded(bytes: number): number {
  return (bytes + 7) & ~7;
}

/** Bytes of a verb in a request, its data included. */
export function verbFrameBytes(opcode: number, bytes: number): number {
  if (opcode === Opcode.write) return verbHeaderBytes + padded(bytes);
  return opcode === Opcode.compareAndSwap ? verbHeaderBytes + 16 : verbHeaderBytes;
}

/** The most bytes that the reply to a verb takes in a frame, be it a value or a failure. */
export function replyFrameBytesMost(opcode: number, bytes: number): number {
  // A read that no frame could answer is refused, with a text.
  const value = opcode === Opcode.read && bytes <= messageBytesMost ? padded(bytes) : 0;
  return replyHeaderBytes + Math.max(value, failureTextBytesMost);
}

/** Writes a frame's header; `number` counts its parts, or names the call. */
export function putFrameHeader(
  view: DataView,
  kind: number,
  number: number,
  operation = 0,
  status = 0,
  outcome = 0,
): void {
  view.setUint8(at.kind, kind);
  view.setUint8(at.operation, operation);
  view.setUint8(at.status, status);
  view.setUint8(at.outcome, outcome);
  view.setUint32(at.number, number, true);
}

/** Writes the header of a part of a round: `verbs` of its verbs follow (in a reply, replies). */
export function putPartHeader(
  view: DataView,
  offset: number,
  round: number,
  verbs: number,
  more: boolean,
): void {
  assert(verbs > 0 && verbs < partVerbsLimit, `a part cannot hold ${verbs} verbs`);
  view.setUint32(offset + partAt.round, round, true);
  view.setUint16(offset + partAt.verbs, verbs, true);
  view.setUint16(offset + partAt.more, more ? 1 : 0, true);
}

/** Writes the header of a verb; a write's data and a CAS's words follow it. */
export function putVerbHeader(
  view: DataView,
  offset: number,
  opcode: number,
  bytes: number,
  regionOffset: number,
): void {
  view.setUint32(offset + verbAt.opcode, opcode, true);
  view.setUint32(offset + verbAt.bytes, bytes, true);
  view.setUint32(offset + verbAt.offset, regionOffset >>> 0, true);
  view.setUint32(offset + verbAt.offset + 4, Math.floor(regionOffset / 2 ** 32), true);
}

/** Writes the two words behind the header (at `offset`) of a compare-and-swap. */
export function putSwapWords(
  view: DataView,
  offset: number,
  expectedWord: bigint,
  desiredWord: bigint,
): void {
  view.setBigUint64(offset + verbAt.expected, expectedWord, true);
  view.setBigUint64(offset + verbAt.desired, desiredWord, true);
}

/** Writes the header of a verb's reply; `bytes` bytes of value or text follow it. */
export function putReplyHeader(
  view: DataView,
  offset: number,
  bytes: number,
  status = 0,
  outcome = 0,
): void {
  view.setUint32(offset + replyAt.status, status | (outcome << 8), true);
  view.setUint32(offset + replyAt.bytes, bytes, true);
}

/**
 * Zeroes the padding behind `bytes` bytes that end at `end`; returns where the next thing starts.
 */
export function pad(view: DataView, end: number, bytes: number): number {
  const next = end - bytes + padded(bytes);
  for (let offset = end; offset < next; offset += 1) view.setUint8(offset, 0);
  return next;
}

// Readers. Each trusts that the frame was looked over as a whole.

/** What kind of frame it is; see `FrameKind`. */
export const frameKind = (view: DataView): number => view.getUint8(at.kind);
/** How many parts it carries, or which call it is. */
export const frameNumber = (view: DataView): number => view.getUint32(at.number, true);
/** The operation of a call or an answer. */
export const frameOperation = (view: DataView): ControlOperation | undefined =>
  operationByNumber.get(view.getUint8(at.operation));
/** The round that a part belongs to. */
export const partRound = (view: DataView, offset: number): number =>
  view.getUint32(offset + partAt.round, true);
/** How many verbs or replies a part holds. */
export const partVerbs = (view: DataView, offset: number): number =>
  view.getUint16(offset + partAt.verbs, true);
/** Whether more of the round follows in the next part. */
export const partMore = (view: DataView, offset: number): boolean =>
  view.getUint8(offset + partAt.more) === 1;
/** A verb's opcode. */
export const verbOpcode = (view: DataView, offset: number): number => view.getUint8(offset);
/** A verb's byte count. */
export const verbBytes = (view: DataView, offset: number): number =>
  view.getUint32(offset + verbAt.bytes, true);
/** A verb's byte offset in the region; not a safe integer when it is absurd. */
export const verbOffset = (view: DataView, offset: number): number =>
  view.getUint32(offset + verbAt.offset, true) +
  view.getUint32(offset + verbAt.offset + 4, true) * 2 ** 32;
/** The word that a compare-and-swap expects. */
export const swapExpectedWord = (view: DataView, offset: number): bigint =>
  view.getBigUint64(offset + verbAt.expected, true);
/** The word that a compare-and-swap writes. */
export const swapDesiredWord = (view: DataView, offset: number): bigint =>
  view.getBigUint64(offset + verbAt.desired, true);
/** The error code of a reply, or undefined for a value. */
export const replyCode = (view: DataView, offset: number): ErrorCode | undefined =>
  codeByStatus.get(view.getUint8(offset + replyAt.status));
/** The outcome of a failed reply. */
export const replyOutcome = (view: DataView, offset: number): ErrorOutcome =>
  view.getUint8(offset + replyAt.outcome) === 0 ? "not-applied" : "unknown";
/** How many bytes of value or text a reply carries. */
export const replyBytes = (view: DataView, offset: number): number =>
  view.getUint32(offset + replyAt.bytes, true);
/** The error code of an answer, or undefined when it went well. */
export const answerCode = (view: DataView): ErrorCode | undefined =>
  codeByStatus.get(view.getUint8(at.status));
/** The outcome of a failed answer. */
export const answerOutcome = (view: DataView): ErrorOutcome =>
  view.getUint8(at.outcome) === 0 ? "not-applied" : "unknown";

/** The number of an outcome on the wire. */
export function outcomeNumber(outcome: ErrorOutcome): number {
  return outcome === "unknown" ? 1 : 0;
}

function invalidHeader(view: DataView, kind: number): string | null {
  if (view.byteLength < frameHeaderBytes) return `a frame of ${view.byteLength} bytes`;
  if (view.byteLength % 8 !== 0) return `a frame of ${view.byteLength} bytes, not whole words`;
  if (frameKind(view) !== kind) return `kind ${frameKind(view)} where ${kind} belongs`;
  if (kind > FrameKind.replies) return null;
  const reserved =
    view.getUint8(at.operation) | view.getUint8(at.status) | view.getUint8(at.outcome);
  return reserved === 0 ? null : "reserved bytes of the frame's header are not zero";
}

function isPaddedWithZeros(view: DataView, end: number, bytes: number): boolean {
  const next = end - bytes + padded(bytes);
  let found = 0;
  for (let offset = end; offset < next; offset += 1) found |= view.getUint8(offset);
  return found === 0;
}

/** Where the verb at `offset` ends, or why it is none. */
function verbEnd(view: DataView, offset: number): number | string {
  const room = view.byteLength - offset;
  if (room < verbHeaderBytes) return "it ends inside a verb";
  const opcode = verbOpcode(view, offset);
  const bytes = verbBytes(view, offset);
  if (opcode < Opcode.read || opcode > Opcode.flush) return `opcode ${opcode} is unknown`;
  if (view.getUint32(offset, true) >>> 8 !== 0) return "reserved bytes of a verb are not zero";
  if (opcode === Opcode.compareAndSwap) {
    if (bytes !== 8) return `a compare-and-swap of ${bytes} bytes`;
    return room < verbHeaderBytes + 16 ? "it ends inside a verb" : offset + verbHeaderBytes + 16;
  }
  if (opcode !== Opcode.write) return offset + verbHeaderBytes;
  if (bytes > room - verbHeaderBytes) return `a write of ${bytes} bytes ends behind it`;
  const end = offset + verbHeaderBytes + bytes;
  if (!isPaddedWithZeros(view, end, bytes)) return "padding is not zero";
  return offset + verbHeaderBytes + padded(bytes);
}

/** Where the reply at `offset` ends, or why it is none. */
function replyEnd(view: DataView, offset: number): number | string {
  const room = view.byteLength - offset;
  if (room < replyHeaderBytes) return "it ends inside a reply";
  const status = view.getUint8(offset + replyAt.status);
  const bytes = replyBytes(view, offset);
  if (status !== 0 && !codeByStatus.has(status)) return `status ${status} is unknown`;
  const outcome = view.getUint8(offset + replyAt.outcome);
  if (outcome > (status === 0 ? 0 : 1)) return `outcome ${outcome} is unknown`;
  if (view.getUint16(offset + replyAt.zero, true) !== 0) return "reserved bytes are not zero";
  if (bytes > room - replyHeaderBytes) return `a reply of ${bytes} bytes ends behind it`;
  const end = offset + replyHeaderBytes + bytes;
  if (!isPaddedWithZeros(view, end, bytes)) return "padding is not zero";
  return offset + replyHeaderBytes + padded(bytes);
}

/** Walks parts and what they hold; the reason why the frame is none, or null. */
function invalidParts(
  view: DataView,
  moreMost: number,
  endOf: (view: DataView, offset: number) => number | string,
): string | null {
  const parts = frameNumber(view);
  let offset: number = frameHeaderBytes;
  for (let part = 0; part < parts; part += 1) {
    if (view.byteLength - offset < partHeaderBytes) return "it ends inside a part's header";
    const verbs = partVerbs(view, offset);
    if (verbs === 0) return "a part of no verbs";
    const more = view.getUint8(offset + partAt.more);
    if (more > moreMost) return `more is ${more}`;
    if (view.getUint8(offset + partAt.zero) !== 0) return "reserved byte of a part is not zero";
    offset += partHeaderBytes;
    for (let verb = 0; verb < verbs; verb += 1) {
      const end = endOf(view, offset);
      if (typeof end === "string") return end;
      offset = end;
    }
  }
  return offset === view.byteLength
    ? null
    : `${view.byteLength - offset} bytes behind its last part`;
}

/** Why these bytes are not a frame of rounds, or null. */
export function invalidRequestFrame(view: DataView): string | null {
  return invalidHeader(view, FrameKind.rounds) ?? invalidParts(view, 1, verbEnd);
}

/** Why these bytes are not a frame of replies, or null. */
export function invalidReplyFrame(view: DataView): string | null {
  return invalidHeader(view, FrameKind.replies) ?? invalidParts(view, 0, replyEnd);
}

/** Why these bytes are not a call (or, with `FrameKind.answer`, an answer), or null. */
export function invalidControlFrame(view: DataView, kind: number): string | null {
  const reason = invalidHeader(view, kind);
  if (reason !== null) return reason;
  if (frameOperation(view) === undefined) return "its operation is unknown";
  if (view.byteLength > frameHeaderBytes + padded(controlBytesMost)) return "its text is too long";
  const status = view.getUint8(at.status);
  const outcome = view.getUint8(at.outcome);
  if (kind === FrameKind.call) return (status | outcome) === 0 ? null : "a call with a status";
  if (status !== 0 && !codeByStatus.has(status)) return `status ${status} is unknown`;
  return outcome > (status === 0 ? 0 : 1) ? `outcome ${outcome} is unknown` : null;
}

/** A call or an answer: the header, then `body` as JSON text, filled up with spaces. */
export function encodeControl(
  kind: number,
  operation: ControlOperation,
  number: number,
  body: unknown,
  status = 0,
  outcome = 0,
): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify(body));
  assert(text.length <= controlBytesMost, `a control text of ${text.length} bytes`);
  const frame = new Uint8Array(frameHeaderBytes + padded(text.length)).fill(0x20);
  putFrameHeader(
    new DataView(frame.buffer),
    kind,
    number,
    controlNumber[operation],
    status,
    outcome,
  );
  frame.set(text, frameHeaderBytes);
  return frame;
}

/** The body of a call or an answer: an object. @throws SyntaxError when it is anything else. */
export function decodeControlBody(frame: Uint8Array): Record<string, unknown> {
  const text = new TextDecoder("utf-8", { fatal: true }).decode(frame.subarray(frameHeaderBytes));
  const body: unknown = JSON.parse(text);
  if (typeof body === "object" && body !== null && !Array.isArray(body)) {
    return body as Record<string, unknown>;
  }
  throw new SyntaxError("a control text must be a JSON object");
}
