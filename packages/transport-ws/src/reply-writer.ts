// Writes the replies of one connection into frames: reads land in the frame's buffer directly, and
// everything answered in one turn of the event loop leaves in one go.

import { type PdpmError, present } from "@pdpm/base";
import {
  FrameKind,
  failureTextBytesMost,
  frameHeaderBytes,
  outcomeNumber,
  pad,
  padded,
  partHeaderBytes,
  putFrameHeader,
  putPartHeader,
  putReplyHeader,
  replyHeaderBytes,
  statusNumber,
} from "@pdpm/layout/frame";
import { type FrameBuffer, takeFrame } from "./frame-buffer.ts";

/** `text` in UTF-8, cut to what a failure may carry. */
function failureBytes(text: string): Buffer {
  return Buffer.from(text).subarray(0, failureTextBytesMost);
}

/** The frames that go to one client. */
export class ReplyWriter {
  readonly #send: (frame: FrameBuffer) => void;
  #frame: FrameBuffer | undefined;

  /** `send` puts a finished frame on its way. */
  constructor(send: (frame: FrameBuffer) => void) {
    this.#send = send;
  }

  /** The next reply of `round` is a value of `bytes` bytes: returns where it belongs. */
  value(round: number, bytes: number): Uint8Array {
    const at = this.#reserve(round, bytes);
    const frame = this.#frame as FrameBuffer;
    putReplyHeader(frame.view, at, bytes);
    pad(frame.view, at + replyHeaderBytes + bytes, bytes);
    return frame.bytes.subarray(at + replyHeaderBytes, at + replyHeaderBytes + bytes);
  }

  /** The next reply of `round` is a word. */
  word(round: number, word: bigint): void {
    const at = this.#reserve(round, 8);
    const { view } = this.#frame as FrameBuffer;
    putReplyHeader(view, at, 8);
    view.setBigUint64(at + replyHeaderBytes, word, true);
  }

  /** The next reply of `round` has no value. */
  done(round: number): void {
    const at = this.#reserve(round, 0);
    putReplyHeader((this.#frame as FrameBuffer).view, at, 0);
  }

  /** The next reply of `round` is a failure. */
  failure(round: number, error: PdpmError): void {
    const text = failureBytes(error.text);
    const at = this.#reserve(round, text.length);
    const frame = this.#frame as FrameBuffer;
    const outcome = outcomeNumber(error.outcome);
    putReplyHeader(frame.view, at, text.length, statusNumber[error.code], outcome);
    frame.bytes.set(text, at + replyHeaderBytes);
    pad(frame.view, at + replyHeaderBytes + text.length, text.length);
  }

  /** Takes the last reply, a value that could not be read, back; another one must follow. */
  retract(bytes: number): void {
    const frame = present(this.#frame, "there is a reply to retract");
    frame.used -= replyHeaderBytes + padded(bytes);
    frame.partVerbs -= 1;
    if (frame.partVerbs === 0) frame.used = frame.partAt;
  }

  /** Sends what was written since the last time. */
  flush(): void {
    const frame = this.#frame;
    if (frame === undefined) return;
    this.#frame = undefined;
    this.#endPart(frame);
    putFrameHeader(frame.view, FrameKind.replies, frame.parts);
    this.#send(frame);
  }

  #endPart(frame: FrameBuffer): void {
    if (frame.partVerbs === 0) return;
    putPartHeader(frame.view, frame.partAt, frame.partRound, frame.partVerbs, false);
    frame.parts += 1;
    frame.partVerbs = 0;
  }

  /** Room for a reply with `bytes` bytes behind its header; returns where the header stands. */
  #reserve(round: number, bytes: number): number {
    const needed = partHeaderBytes + replyHeaderBytes + padded(bytes);
    if (this.#frame?.fits(needed) === false) this.flush();
    this.#frame ??= takeFrame(frameHeaderBytes + needed);
    const frame = this.#frame;
    if (frame.partVerbs === 0 || frame.partRound !== round) {
      this.#endPart(frame);
      frame.partAt = frame.used;
      frame.partRound = round;
      frame.used += partHeaderBytes;
    }
    const at = frame.used;
    frame.used = at + replyHeaderBytes + padded(bytes);
    frame.partVerbs += 1;
    return at;
  }
}
