// A client that may behave badly: it sends whatever frames a test makes, and notes what comes back.

import { once } from "node:events";
import {
  encodeControl,
  FrameKind,
  frameHeaderBytes,
  frameNumber,
  invalidReplyFrame,
  Opcode,
  partHeaderBytes,
  partRound,
  partVerbs,
  putFrameHeader,
  putPartHeader,
  putSwapWords,
  putVerbHeader,
  replyBytes,
  replyCode,
  replyHeaderBytes,
  verbFrameBytes,
  verbHeaderBytes,
} from "@pdpm/layout/frame";
import { WebSocket } from "ws";
import { atEnd } from "./contract-scene.ts";

/** A verb to be framed. */
export interface RawVerb {
  readonly opcode: number;
  readonly offset: number;
  readonly bytes: number;
  readonly fill?: number;
  readonly words?: readonly [bigint, bigint];
}

/** A read. */
export const reads = (offset: number, bytes: number): RawVerb => ({
  opcode: Opcode.read,
  offset,
  bytes,
});
/** A flush. */
export const flushes = (offset: number, bytes: number): RawVerb => ({
  opcode: Opcode.flush,
  offset,
  bytes,
});
/** A write of bytes that are all `fill`. */
export const writes = (offset: number, bytes: number, fill: number): RawVerb => ({
  opcode: Opcode.write,
  offset,
  bytes,
  fill,
});
/** A compare-and-swap. */
export const swaps = (offset: number, expected: bigint, desired: bigint): RawVerb => ({
  opcode: Opcode.compareAndSwap,
  offset,
  bytes: 8,
  words: [expected, desired],
});

/** A frame of rounds: `[round, verbs, more]` each. */
export function frameOf(
  ...parts: readonly (readonly [number, readonly RawVerb[], boolean?])[]
): Uint8Array {
  const sizes = parts.map(([, verbs]) =>
    verbs.reduce((sum, { opcode, bytes }) => sum + verbFrameBytes(opcode, bytes), partHeaderBytes),
  );
  const frame = new Uint8Array(sizes.reduce((sum, size) => sum + size, frameHeaderBytes));
  const view = new DataView(frame.buffer);
  putFrameHeader(view, FrameKind.rounds, parts.length);
  let at: number = frameHeaderBytes;
  for (const [round, verbs, more] of parts) {
    putPartHeader(view, at, round, verbs.length, more === true);
    at += partHeaderBytes;
    for (const { opcode, offset, bytes, fill, words } of verbs) {
      putVerbHeader(view, at, opcode, bytes, offset);
      if (fill !== undefined) frame.fill(fill, at + verbHeaderBytes, at + verbHeaderBytes + bytes);
      if (words !== undefined) putSwapWords(view, at, ...words);
      at += verbFrameBytes(opcode, bytes);
    }
  }
  return frame;
}

/** A client that sends what it is told to, and notes what comes. */
export class RawClient {
  readonly socket: WebSocket;
  /** `round: reply, reply` for every part that came; a value as its first byte and length. */
  readonly replies: string[] = [];
  readonly closed: Promise<string>;
  #call = 0;

  constructor(url: string, options: object = {}) {
    this.socket = new WebSocket(url, { perMessageDeflate: false, ...options });
    this.socket.on("error", () => undefined);
    this.closed = once(this.socket, "close").then(([code, reason]) => `${code} ${reason}`);
    this.socket.on("message", (message: Buffer) => this.#note(message));
    atEnd(() => this.socket.terminate());
  }

  async hello(): Promise<void> {
    await once(this.socket, "open");
    await this.call("hello", { protocol: 1, credential: "" });
  }

  async admit(id?: number): Promise<void> {
    await this.hello();
    await this.call("admit", id === undefined ? {} : { id });
  }

  async call(operation: "hello" | "admit" | "fence", body: object): Promise<void> {
    this.#call += 1;
    const answer = once(this.socket, "message");
    this.socket.send(encodeControl(FrameKind.call, operation, this.#call, body));
    const [message] = (await answer) as [Buffer];
    if (message[2] !== 0) throw new Error(message.toString("utf8", 8));
  }

  send(...parts: readonly (readonly [number, readonly RawVerb[], boolean?])[]): void {
    this.socket.send(frameOf(...parts));
  }

  #note(message: Buffer): void {
    const view = new DataView(message.buffer, message.byteOffset, message.length);
    if (message[0] !== FrameKind.replies) return;
    const reason = invalidReplyFrame(view);
    if (reason !== null) throw new Error(reason);
    let at: number = frameHeaderBytes;
    for (let part = 0; part < frameNumber(view); part += 1) {
      const round = partRound(view, at);
      const count = partVerbs(view, at);
      at += partHeaderBytes;
      const notes: string[] = [];
      for (let reply = 0; reply < count; reply += 1) {
        const bytes = replyBytes(view, at);
        const start = at + replyHeaderBytes;
        notes.push(replyCode(view, at) ?? (bytes === 0 ? "done" : `${message[start]}x${bytes}`));
        at = start + bytes + ((8 - (bytes % 8)) % 8);
      }
      this.replies.push(`${round}: ${notes.join(" ")}`);
    }
  }
}

/** A raw client with an id. */
export async function admitted(url: string, id?: number): Promise<RawClient> {
  const client = new RawClient(url);
  await client.admit(id);
  return client;
}
