// The trace of an interleaved run, to be read by people: round by round, who posted what and what
// it was answered. Only kept when asked for: run the failing seed again with tracing on.

import { isPdpmError } from "@pdpm/base";
import { type Address, addressText } from "@pdpm/layout/address";
import { type Post, Verb } from "@pdpm/verbs";
import type { Ended, Task } from "./task.ts";

/** How a trace is written. */
export interface TraceOptions {
  /**
   * What a word at an address means, where one is swapped or read alone. @defaultValue hexadecimal
   */
  readonly wordText?: (address: Address, word: bigint) => string;
  /** Lines kept: the first of them are dropped. @defaultValue 20,000 */
  readonly linesMost?: number;
}

/** Posts of one round that are written out; the rest is counted. */
const postsShown = 8;

function hexadecimal(_address: Address, word: bigint): string {
  return word === 0n ? "0" : `0x${word.toString(16)}`;
}

/** The lines of one run. */
export class Trace {
  readonly #wordText: (address: Address, word: bigint) => string;
  readonly #linesMost: number;
  #lines: string[] = [];
  #rounds = 0;

  constructor(options: TraceOptions) {
    this.#wordText = options.wordText ?? hexadecimal;
    this.#linesMost = options.linesMost ?? 20_000;
  }

  get lines(): readonly string[] {
    return this.#lines;
  }

  /** Rounds that were posted, those whose lines were dropped included. */
  get rounds(): number {
    return this.#rounds;
  }

  note(step: number, text: string): void {
    this.#lines.push(`${step} ${text}`);
    if (this.#lines.length > 2 * this.#linesMost) {
      this.#lines = this.#lines.slice(-this.#linesMost);
    }
  }

  posts(step: number, task: Task): void {
    this.#rounds += 1;
    const round = task.round ?? [];
    this.note(step, `${nameOf(task)} > ${this.#list(round.map((post) => this.#post(post)))}`);
  }

  replies(step: number, task: Task): void {
    const round = task.round ?? [];
    const texts = task.replies.map((reply, i) => this.#reply(round[i] as Post, reply));
    this.note(step, `${nameOf(task)} < ${this.#list(texts)}`);
  }

  ended(step: number, task: Task, ended: Ended<unknown>): void {
    const text = "error" in ended ? String(ended.error) : "is done";
    this.note(step, `${nameOf(task)} ${text}`);
  }

  #list(texts: readonly string[]): string {
    const shown = texts.slice(0, postsShown).join(" · ");
    return texts.length > postsShown ? `${shown} · and ${texts.length - postsShown} more` : shown;
  }

  #post(post: Post): string {
    const where = addressText(post.address);
    switch (post.verb) {
      case Verb.read:
        return `read ${where}, ${post.bytes} B`;
      case Verb.write: {
        if (post.bytes !== 8) return `write ${where}, ${post.bytes} B`;
        return `write ${where}: ${this.#wordText(post.address, wordOf(post.data as Uint8Array))}`;
      }
      case Verb.compareAndSwap: {
        const [from, to] = [post.expectedWord, post.desiredWord].map((word) =>
          this.#wordText(post.address, word),
        );
        return `swap ${where}: ${from} -> ${to}`;
      }
      case Verb.flush:
        return `flush ${where}, ${post.bytes} B`;
      case Verb.call:
        return `call ${post.server} ${dataText(post.request)}`;
      default:
        return "pause";
    }
  }

  #reply(post: Post, reply: unknown): string {
    if (isPdpmError(reply)) return `${reply.code} ${reply.outcome}`;
    if (post.verb === Verb.compareAndSwap) {
      const found = reply as bigint;
      return found === post.expectedWord
        ? "swapped"
        : `found ${this.#wordText(post.address, found)}`;
    }
    if (post.verb === Verb.read) {
      const bytes = reply as Uint8Array;
      return bytes.length === 8 ? this.#wordText(post.address, wordOf(bytes)) : `${bytes.length} B`;
    }
    return post.verb === Verb.call ? dataText(reply) : "ok";
  }
}

function nameOf(task: Task): string {
  return `client ${task.client.id} ${task.name}`;
}

/** Requests and replies are plain data, with words and bytes among them. */
function dataText(data: unknown): string {
  return JSON.stringify(data, (_name, value: unknown) => {
    if (typeof value === "bigint") return `0x${value.toString(16)}`;
    return value instanceof Uint8Array ? Buffer.from(value).toString("latin1") : value;
  });
}

function wordOf(bytes: Uint8Array): bigint {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getBigUint64(0, true);
}
