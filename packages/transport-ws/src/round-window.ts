// The rounds of one client that wait or are on their way to one node.
//
// - Rounds posted in one turn of the event loop leave together, in frames of about `batchBytes`.
// - At most `inFlightBytesMost` are in flight, counted as request plus the largest possible reply;
//   what is behind it waits, in order. A round larger than the window goes in parts.
// - A verb counts as sent from the moment its frame is given to the socket: when the link breaks,
//   what was sent and not answered is "unknown", what was not sent is "not-applied".
// - Replies of a round come in its verbs' order; rounds are answered in any order.

import { assert, PdpmError } from "@pdpm/base";
import {
  FrameKind,
  frameBytesMost,
  frameHeaderBytes,
  frameNumber,
  invalidReplyFrame,
  Opcode,
  pad,
  padded,
  partHeaderBytes,
  partRound,
  partVerbs,
  putFrameHeader,
  putPartHeader,
  putSwapWords,
  putVerbHeader,
  replyBytes,
  replyCode,
  replyFrameBytesMost,
  replyHeaderBytes,
  replyOutcome,
  verbFrameBytes,
  verbHeaderBytes,
} from "@pdpm/layout/frame";
import { type Post, type Replies, type Round, takeBuffer, Verb, verbBytesMost } from "@pdpm/verbs";
import { type FrameBuffer, takeFrame } from "./frame-buffer.ts";
import { inFlightBytesMost, queuedRoundsMost } from "./limits.ts";
import { RoundsInFlight } from "./rounds-in-flight.ts";
import type { VerbCounter } from "./verb-counter.ts";

/** What carries frames while a connection stands. */
export interface FrameCarrier {
  send(frame: FrameBuffer): void;
}

class PendingRound {
  readonly posts: Round;
  /** Its posts, each replaced by its reply when that comes: an array literal would grow old. */
  readonly replies: unknown[];
  answered = 0;
  readonly settle: (replies: Replies) => void;
  id = 0;
  /** Posts whose frame was given to the socket, or stands in the frame being written. */
  sent = 0;

  constructor(posts: Round, settle: (replies: Replies) => void) {
    this.posts = posts;
    this.replies = posts.slice();
    this.settle = settle;
  }
}

/** Bytes that a post takes of the window until it is answered. */
function windowCost(post: Post): number {
  const opcode = opcodeOf(post);
  const bytes = bytesOf(post);
  return verbFrameBytes(opcode, bytes) + replyFrameBytesMost(opcode, bytes);
}

// A post that no frame can express goes as a flush of no bytes: the node refuses it in its place,
// so that replies stay in order and nothing else has to know.
function isExpressible(post: Post): boolean {
  if (post.verb >= Verb.call || !Number.isInteger(post.bytes) || post.bytes < 0) return false;
  return post.bytes < 2 ** 32 && (post.verb !== Verb.write || post.bytes <= verbBytesMost);
}

function opcodeOf(post: Post): number {
  return isExpressible(post) ? post.verb : Opcode.flush;
}

function bytesOf(post: Post): number {
  return isExpressible(post) ? post.bytes : 0;
}

const absurdOffset: number = 2 ** 64 - 2 ** 32;

function offsetOf(post: Post): number {
  return Number.isSafeInteger(post.offset) && post.offset >= 0 ? post.offset : absurdOffset;
}

/** See the head of this file. */
export class RoundWindow {
  readonly #counter: VerbCounter;
  readonly #queuedMost: number;
  readonly #inFlight = new RoundsInFlight<PendingRound>();
  #queue: PendingRound[] = [];
  #queueHead = 0;
  #inFlightBytes = 0;
  #nextId = 1;
  #carrier: FrameCarrier | undefined;
  #isScheduled = false;

  /** `counter` counts verbs that are put in frames; `queuedMost` bounds the rounds that wait. */
  constructor(counter: VerbCounter, queuedMost: number = queuedRoundsMost) {
    this.#counter = counter;
    this.#queuedMost = queuedMost;
  }

  /** Queues a round; it leaves at the end of this turn, or when there is a connection. */
  post(posts: Round): Promise<Replies> {
    return new Promise((resolve) => {
      if (this.#queue.length - this.#queueHead >= this.#queuedMost) {
        const error = new PdpmError("PDPM_BUSY", `${this.#queuedMost} rounds wait already`);
        resolve(posts.map(() => error));
        return;
      }
      this.#queue.push(new PendingRound(posts, resolve));
      this.#schedule();
    });
  }

  /** From now on frames go over `carrier`, a fresh connection. */
  attach(carrier: FrameCarrier): void {
    assert(this.#inFlight.size === 0, "a fresh connection has nothing in flight");
    this.#carrier = carrier;
    this.#nextId = 1;
    this.#schedule();
  }

  /** The connection is gone, or there will be none: every round replies `error`. */
  fail(error: PdpmError): void {
    this.#carrier = undefined;
    const notApplied = error.withOutcome("not-applied");
    const unknown = error.withOutcome("unknown");
    const waiting = this.#queue.slice(this.#queueHead);
    // A round that was sent in part stands in both.
    const rounds = new Set([...this.#inFlight.clear(), ...waiting]);
    this.#queue = [];
    this.#queueHead = 0;
    this.#inFlightBytes = 0;
    for (const round of rounds) {
      for (let index = round.answered; index < round.posts.length; index += 1) {
        round.replies[index] = index < round.sent ? unknown : notApplied;
      }
      round.settle(round.replies);
    }
  }

  #schedule(): void {
    if (this.#isScheduled || this.#carrier === undefined) return;
    this.#isScheduled = true;
    process.nextTick(this.#pump);
  }

  readonly #pump = (): void => {
    this.#isScheduled = false;
    if (this.#carrier === undefined) return;
    let frame: FrameBuffer | undefined;
    while (this.#queueHead < this.#queue.length) {
      const round = this.#queue[this.#queueHead] as PendingRound;
      if (round.sent === 0) this.#begin(round);
      frame = this.#encode(round, frame);
      if (round.sent < round.posts.length) break;
      this.#queueHead += 1;
    }
    if (frame !== undefined) this.#send(frame);
    if (this.#queueHead === this.#queue.length) {
      this.#queue.length = 0;
      this.#queueHead = 0;
    } else if (this.#queueHead > 1024) {
      this.#queue.splice(0, this.#queueHead);
      this.#queueHead = 0;
    }
  };

  #begin(round: PendingRound): void {
    if (round.posts.length === 0) round.settle([]);
    if (round.posts.length === 0 || round.id !== 0) return;
    round.id = this.#nextId;
    this.#nextId = (this.#nextId + 1) >>> 0;
    this.#inFlight.add(round);
  }

  #send(frame: FrameBuffer): void {
    putFrameHeader(frame.view, FrameKind.rounds, frame.parts);
    (this.#carrier as FrameCarrier).send(frame);
  }

  /** Writes posts of `round` until it ends or the window is full; returns the frame still open. */
  #encode(round: PendingRound, open: FrameBuffer | undefined): FrameBuffer | undefined {
    let frame = open;
    let partAt = 0;
    let count = 0;
    while (round.sent < round.posts.length) {
      const post = round.posts[round.sent] as Post;
      const cost = windowCost(post);
      if (this.#inFlightBytes > 0 && this.#inFlightBytes + cost > inFlightBytesMost) break;
      const bytes = verbFrameBytes(opcodeOf(post), bytesOf(post));
      const needed = count === 0 ? partHeaderBytes + bytes : bytes;
      if (frame === undefined || !frame.fits(needed)) {
        if (frame !== undefined) {
          this.#endPart(frame, round, partAt, count, true);
          this.#send(frame);
        }
        frame = takeFrame(frameHeaderBytes + partHeaderBytes + bytes);
        count = 0;
      }
      if (count === 0) {
        partAt = frame.used;
        frame.used += partHeaderBytes;
      }
      this.#put(frame, post, bytes);
      this.#inFlightBytes += cost;
      round.sent += 1;
      count += 1;
    }
    if (frame !== undefined) {
      this.#endPart(frame, round, partAt, count, round.sent < round.posts.length);
    }
    return frame;
  }

  #endPart(
    frame: FrameBuffer,
    round: PendingRound,
    at: number,
    verbs: number,
    more: boolean,
  ): void {
    if (verbs === 0) return;
    putPartHeader(frame.view, at, round.id, verbs, more);
    frame.parts += 1;
  }

  #put(frame: FrameBuffer, post: Post, bytes: number): void {
    const at = frame.used;
    putVerbHeader(frame.view, at, opcodeOf(post), bytesOf(post), offsetOf(post));
    if (!isExpressible(post)) {
      frame.used = at + bytes;
      return;
    }
    if (post.verb === Verb.write) {
      frame.bytes.set(post.data as Uint8Array, at + verbHeaderBytes);
      pad(frame.view, at + verbHeaderBytes + post.bytes, post.bytes);
    } else if (post.verb === Verb.compareAndSwap) {
      putSwapWords(frame.view, at, post.expectedWord, post.desiredWord);
    }
    frame.used = at + bytes;
    this.#counter.count(post);
  }

  /** Takes a frame of replies; returns why it is malformed, or null. */
  take(view: DataView, message: Buffer): string | null {
    const reason = invalidReplyFrame(view);
    if (reason !== null) return reason;
    const parts = frameNumber(view);
    let at: number = frameHeaderBytes;
    for (let part = 0; part < parts; part += 1) {
      const round = this.#inFlight.get(partRound(view, at));
      if (round === undefined) return `a reply to round ${partRound(view, at)}, not in flight`;
      const end = round.answered + partVerbs(view, at);
      if (end > round.sent) return "more replies than verbs";
      at += partHeaderBytes;
      for (let index = round.answered; index < end; index += 1) {
        const post = round.posts[index] as Post;
        const bytes = replyBytes(view, at);
        const reply = this.#reply(post, view, message, at, bytes);
        if (typeof reply === "string") return reply;
        round.replies[index] = reply;
        round.answered = index + 1;
        this.#inFlightBytes -= windowCost(post);
        at += replyHeaderBytes + padded(bytes);
      }
      if (end === round.posts.length) {
        this.#inFlight.delete(round);
        round.settle(round.replies);
      }
    }
    if (this.#queueHead < this.#queue.length) this.#schedule();
    return null;
  }

  /** The value or failure of one reply; a text when it is not one that `post` can have. */
  #reply(post: Post, view: DataView, message: Buffer, at: number, bytes: number): unknown {
    const start = at + replyHeaderBytes;
    const code = replyCode(view, at);
    if (code !== undefined) {
      const text = message.toString("utf8", start, start + bytes);
      return new PdpmError(code, text, { outcome: replyOutcome(view, at) });
    }
    if (post.verb === Verb.read) {
      if (bytes !== post.bytes) return `${bytes} bytes answer a read of ${post.bytes}`;
      const target = post.data ?? takeBuffer(bytes);
      target.set(message.subarray(start, start + bytes));
      return target;
    }
    if (post.verb === Verb.compareAndSwap) {
      return bytes === 8 ? view.getBigUint64(start, true) : `${bytes} bytes answer a swap`;
    }
    return bytes === 0 ? undefined : `${bytes} bytes answer a write or a flush`;
  }
}

assert(frameHeaderBytes + partHeaderBytes + verbHeaderBytes < frameBytesMost, "a verb must fit");
