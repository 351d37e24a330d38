// Buffers that frames are written into. A small frame's buffer comes from a pool and goes back when
// the socket has taken its bytes; never earlier, because ws passes the very buffer to the kernel.

import { assert } from "@pdpm/base";
import { frameBytesMost, frameHeaderBytes } from "@pdpm/layout/frame";
import { batchBytes, spareFramesMost } from "./limits.ts";

/** A frame being written: bytes up to `used` count. */
export class FrameBuffer {
  readonly bytes: Buffer;
  readonly view: DataView;
  /** Where the next part starts. */
  used: number = frameHeaderBytes;
  /** Parts so far. */
  parts = 0;
  /** Where the last part's header stands, which round it is of, and how much it holds. */
  partAt = 0;
  partRound = 0;
  partVerbs = 0;

  constructor(bytes: number) {
    // Not from the shared pool, so that offset 0 is aligned and the view is the whole buffer.
    this.bytes = Buffer.allocUnsafeSlow(bytes);
    this.view = new DataView(this.bytes.buffer);
  }

  /** Whether `bytes` more go into this frame. What is larger than a batch goes alone. */
  fits(bytes: number): boolean {
    return this.used + bytes <= batchBytes;
  }
}

const spares: FrameBuffer[] = [];

/** An empty frame with room for `bytes` bytes in all, at least `frameBytesMost`. */
export function takeFrame(bytes: number = frameBytesMost): FrameBuffer {
  if (bytes > frameBytesMost) return new FrameBuffer(bytes);
  return spares.pop() ?? new FrameBuffer(frameBytesMost);
}

/** Gives a frame back whose bytes nobody reads any more. */
export function returnFrame(frame: FrameBuffer): void {
  assert(!spares.includes(frame), "a frame is given back once");
  if (frame.bytes.length !== frameBytesMost || spares.length >= spareFramesMost) return;
  frame.used = frameHeaderBytes;
  frame.parts = 0;
  frame.partVerbs = 0;
  spares.push(frame);
}
