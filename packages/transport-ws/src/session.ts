// One connection at a memory node: frames become verbs, replies become frames.
//
// - A frame is looked over as a whole first; a malformed one ends the connection, nothing applied.
// - Verbs of a round are applied in order; rounds do not wait for each other. Only what stands
//   behind a flush of its own round waits, with a copy of its own bytes.
// - Once ended, nothing more is applied; `gone` settles when what was running has ended as well.
// - What it holds and owes is bounded by `askedBytesMost`.

import { PdpmError } from "@pdpm/base";
import {
  FrameKind,
  frameHeaderBytes,
  frameKind,
  frameNumber,
  invalidRequestFrame,
  Opcode,
  partHeaderBytes,
  partMore,
  partRound,
  partVerbs,
  replyFrameBytesMost,
  verbFrameBytes,
} from "@pdpm/layout/frame";
import { applyPosts, type Post, type Replies, read, Verb, verbBytesMost } from "@pdpm/verbs";
import { WebSocket } from "ws";
import { CallDesk, malformed, type Refusal, refused } from "./call-desk.ts";
import { type FrameBuffer, returnFrame } from "./frame-buffer.ts";
import { askedBytesMost, CloseCode, closeReason } from "./limits.ts";
import { costOf, endOf, Part } from "./part.ts";
import { ReplyWriter } from "./reply-writer.ts";
import type { Connection, MemoryService } from "./service.ts";

/** What a flush that runs counts for. */
const flushCost: number = verbFrameBytes(Opcode.flush, 0) + replyFrameBytesMost(Opcode.flush, 0);
const binary = { binary: true, compress: false } as const;

/** See the head of this file. */
export class Session implements Connection {
  readonly gone: Promise<void>;
  readonly #socket: WebSocket;
  readonly #service: MemoryService;
  readonly #desk: CallDesk;
  readonly #writer: ReplyWriter = new ReplyWriter((frame) => this.#send(frame));
  #settleGone: () => void = () => undefined;
  #isEnded = false;
  /** Flushes that run, and parts that wait behind one. */
  #running = 0;
  /** Bytes of parts that wait, and of frames that the socket has not taken. */
  #owedBytes = 0;
  /** The id that the next part must carry, and what it must wait for if it continues a round. */
  #round = 1;
  #tail: Promise<undefined> | undefined;
  #isFlushing = false;
  #silentTicks = 0;

  constructor(socket: WebSocket, service: MemoryService) {
    this.#socket = socket;
    this.#service = service;
    this.#desk = new CallDesk(service, this, (frame) => this.#socket.send(frame, binary));
    this.gone = new Promise((resolve) => {
      this.#settleGone = resolve;
    });
    socket.on("message", (message: Buffer, isBinary) => this.#take(message, isBinary));
    socket.on("pong", () => {
      this.#silentTicks = 0;
    });
    // The library closes with the right code by itself; without a listener the process would end.
    socket.on("error", () => undefined);
    socket.on("close", () => this.#ended());
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Whether it has said hello. */
  get isKnown(): boolean {
    return this.#desk.isKnown;
  }

  end(reason: string): Promise<void> {
    this.fail(CloseCode.fenced, reason);
    return this.gone;
  }

  /** Ends it with a close code. */
  fail(code: number, reason: string): void {
    if (this.#isEnded) return;
    // Replies of what was applied go first.
    this.#writer.flush();
    this.#socket.close(code, closeReason(reason));
    this.#ended();
  }

  /** Asks a silent client for a sign of life; cuts it off after two that were missed. */
  tick(): void {
    this.#silentTicks += 1;
    if (this.#silentTicks > 2) this.#socket.terminate();
    else if (this.#socket.readyState === WebSocket.OPEN) this.#socket.ping();
  }

  #ended(): void {
    this.#isEnded = true;
    if (this.#running === 0) this.#settleGone();
  }

  #take(message: Buffer, isBinary: boolean): void {
    if (this.#isEnded) return;
    this.#silentTicks = 0;
    const view = new DataView(message.buffer, message.byteOffset, message.length);
    const refusal = isBinary ? this.#refusal(view) : malformed("a text message is no frame");
    if (refusal !== null) this.fail(refusal.code, refusal.reason);
    else if (frameKind(view) === FrameKind.rounds) this.#rounds(view);
    else this.#desk.take(view, message);
  }

  #rounds(view: DataView): void {
    const parts = frameNumber(view);
    let at: number = frameHeaderBytes;
    for (let index = 0; index < parts; index += 1) {
      const verbs = partVerbs(view, at);
      const more = partMore(view, at);
      const part = new Part(partRound(view, at), view, at + partHeaderBytes, verbs);
      at = endOf(view, at + partHeaderBytes, verbs);
      const before = this.#tail;
      const tail = before === undefined ? this.#apply(part) : this.#applyBehind(part, before);
      this.#tail = more ? tail : undefined;
      if (!more) this.#round = (this.#round + 1) >>> 0;
    }
  }

  /** Rounds of a connection are numbered 1, 2, ...: a frame that comes twice is noticed. */
  #outOfOrder(view: DataView): string | null {
    const parts = frameNumber(view);
    let round = this.#round;
    let at: number = frameHeaderBytes;
    for (let index = 0; index < parts; index += 1) {
      if (partRound(view, at) !== round) return `round ${partRound(view, at)} instead of ${round}`;
      if (!partMore(view, at)) round = (round + 1) >>> 0;
      at = endOf(view, at + partHeaderBytes, partVerbs(view, at));
    }
    return null;
  }

  /** Why the connection must end instead of taking this frame, or null. */
  #refusal(view: DataView): Refusal | null {
    if (view.byteLength === 0 || frameKind(view) !== FrameKind.rounds) {
      return this.#desk.refusal(view);
    }
    const reason = invalidRequestFrame(view) ?? this.#outOfOrder(view);
    if (reason !== null) return malformed(reason);
    return this.#desk.isAdmitted
      ? this.#askedTooMuch(view)
      : refused("verbs need an admitted client id");
  }

  #askedTooMuch(view: DataView): Refusal | null {
    const parts = frameNumber(view);
    let asked = this.#owedBytes;
    let at: number = frameHeaderBytes;
    for (let index = 0; index < parts; index += 1) {
      const verbs = partVerbs(view, at);
      asked += costOf(view, at + partHeaderBytes, verbs);
      at = endOf(view, at + partHeaderBytes, verbs);
    }
    if (asked <= askedBytesMost) return null;
    return refused(`${asked} bytes asked for at once, ${askedBytesMost} are allowed`);
  }

  /** Applies verbs until the part ends or a flush has to wait; then the promise of the rest. */
  #apply(part: Part): Promise<undefined> | undefined {
    while (!part.isDone) {
      const post = part.next();
      const isFramed = post.verb === Verb.read && post.bytes <= verbBytesMost && post.bytes > 0;
      if (isFramed) {
        this.#applyRead(part.round, post);
        continue;
      }
      const replies = applyPosts(this.#service.memory, [post]);
      if (replies instanceof Promise) return this.#applyBehind(part, replies, post);
      this.#reply(part.round, post, replies[0]);
    }
    return undefined;
  }

  /** A read goes straight into the frame. */
  #applyRead(round: number, { offset, bytes }: Post): void {
    const target = this.#writer.value(round, bytes);
    const post = read(0, bytes, target);
    post.offset = offset;
    const reply = (applyPosts(this.#service.memory, [post]) as Replies)[0];
    if (reply instanceof PdpmError) {
      this.#writer.retract(bytes);
      this.#reply(round, post, reply);
    } else {
      this.#service.applied.count(post);
      this.#scheduleFlush();
    }
  }

  /** Waits, answers `post` (whose reply that was), and applies the rest unless it has ended. */
  async #applyBehind(
    part: Part,
    before: Promise<Replies | undefined>,
    post?: Post,
  ): Promise<undefined> {
    part.detach();
    const cost = part.cost + (post === undefined ? 0 : flushCost);
    this.#running += 1;
    this.#owedBytes += cost;
    const replies = await before;
    this.#owedBytes -= cost;
    if (post !== undefined && replies !== undefined) this.#reply(part.round, post, replies[0]);
    if (!this.#isEnded) await this.#apply(part);
    this.#running -= 1;
    if (this.#isEnded && this.#running === 0) this.#settleGone();
    return undefined;
  }

  #reply(round: number, post: Post, reply: unknown): void {
    if (!(reply instanceof PdpmError)) this.#service.applied.count(post);
    if (this.#isEnded) return;
    if (reply instanceof PdpmError) this.#writer.failure(round, reply);
    else if (post.verb === Verb.compareAndSwap) this.#writer.word(round, reply as bigint);
    else this.#writer.done(round);
    this.#scheduleFlush();
  }

  #scheduleFlush(): void {
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    process.nextTick(this.#flush);
  }

  readonly #flush = (): void => {
    this.#isFlushing = false;
    this.#writer.flush();
  };

  #send(frame: FrameBuffer): void {
    const bytes = frame.used;
    this.#owedBytes += bytes;
    this.#socket.send(frame.bytes.subarray(0, bytes), binary, () => {
      this.#owedBytes -= bytes;
      returnFrame(frame);
    });
  }
}
