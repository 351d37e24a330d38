// The verbs of one round at one memory node, on their way: which of them may be applied next, and
// in what pieces. This is the order that the contract promises (round.ts), and no more than that:
//
//   - a write or a flush comes before anything behind it;
//   - a CAS comes before a CAS, a read or a flush behind it, not before a write;
//   - a read comes before nothing.
//
// What is larger than a word is applied in one to three pieces, now and then in up to twelve, cut
// between words, in any order: so reads tear, and so does a write whose client dies.

import { PdpmError, type Prng } from "@pdpm/base";
import { applyPosts, invalidRange, type Memory, type Post, takeBuffer, Verb } from "@pdpm/verbs";

/**
 * Rounds with more verbs than this apply several in one micro-step, in order: nobody waits for a
 * scan.
 */
const singlyMost = 8;
/** A cut often falls this near to the start, where headers end and values begin. */
const nearWords = 8;

/** Pieces at most, mostly and now and then. */
const piecesMost = 3;
const finePiecesMost = 12;

interface Piece {
  readonly start: number;
  readonly end: number;
}

/** What becomes of a verb that is not applied any more, and of one whose reply is lost. */
export type Loss = (wasStarted: boolean) => PdpmError;

/** One round's verbs at one node. */
export class Flight {
  readonly node: number;
  readonly posts: readonly Post[];
  readonly #memory: Memory;
  /** Where the reply of each post belongs in `replies`. */
  readonly #places: readonly number[];
  readonly #replies: unknown[];
  readonly #done: boolean[];
  readonly #pieces = new Map<number, Piece[]>();
  #left: number;

  constructor(
    node: number,
    memory: Memory,
    posts: readonly Post[],
    places: readonly number[],
    replies: unknown[],
  ) {
    this.node = node;
    this.posts = posts;
    this.#memory = memory;
    this.#places = places;
    this.#replies = replies;
    this.#done = new Array(posts.length).fill(false);
    this.#left = posts.length;
  }

  /** Everything was applied or dropped. */
  get isOver(): boolean {
    return this.#left === 0;
  }

  /** Something was changed, and not yet everything was done. */
  get isMidway(): boolean {
    if (this.isOver) return false;
    return this.posts.some(({ verb }, i) => {
      return verb !== Verb.read && (this.#done[i] || this.#pieces.has(i));
    });
  }

  /** What came before a flush was applied, and the flush is next. */
  get isAtFlush(): boolean {
    const next = this.#done.indexOf(false);
    return next > 0 && this.posts[next]?.verb === Verb.flush;
  }

  /** One micro-step: a word, a piece, or a few words of a long list. */
  step(prng: Prng): void {
    if (this.posts.length > singlyMost) {
      this.#burst(1 + prng.below(Math.ceil(this.posts.length / 3)));
      return;
    }
    const index = this.#choose(prng);
    const post = this.posts[index] as Post;
    const isSplit = post.bytes > 8 && (post.verb === Verb.read || post.verb === Verb.write);
    if (isSplit) this.#applyPiece(index, post, prng);
    else this.#finish(index, applyPosts(this.#memory, [post]));
  }

  /** Applies all that is left, in order. */
  finish(): void {
    this.#burst(this.#left);
  }

  /**
   * Drops what is left: it is never applied. Replies that are missing are what `loss` says.
   * @param forget - Whether the reply of a verb that was applied is lost on its way back.
   */
  drop(loss: Loss, forget: () => boolean): void {
    for (let i = 0; i < this.posts.length; i += 1) {
      const place = this.#places[i] as number;
      if (!this.#done[i]) this.#replies[place] = loss(this.#pieces.has(i));
      else if (forget()) this.#replies[place] = loss(true);
    }
    this.#left = 0;
  }

  #burst(count: number): void {
    let left = count;
    for (let i = 0; i < this.posts.length && left > 0; i += 1) {
      if (this.#done[i]) continue;
      const pieces = this.#pieces.get(i);
      const post = this.posts[i] as Post;
      if (pieces === undefined) this.#finish(i, applyPosts(this.#memory, [post]));
      else while (!this.#done[i]) this.#applyNext(i, post, pieces);
      left -= 1;
    }
  }

  /** The index of one verb that may be applied next. */
  #choose(prng: Prng): number {
    let chosen = -1;
    let count = 0;
    let isBehindSwap = false;
    for (let i = 0; i < this.posts.length; i += 1) {
      if (this.#done[i]) continue;
      const { verb } = this.posts[i] as Post;
      if (!isBehindSwap || verb === Verb.write) {
        count += 1;
        if (count === 1 || prng.below(count) === 0) chosen = i;
      }
      if (verb === Verb.write || verb === Verb.flush) break;
      if (verb === Verb.compareAndSwap) isBehindSwap = true;
    }
    return chosen;
  }

  #applyPiece(index: number, post: Post, prng: Prng): void {
    let pieces = this.#pieces.get(index);
    if (pieces === undefined) {
      const reason = invalidRange(this.#memory.sizeBytes, post.offset, post.bytes);
      if (reason !== null) {
        this.#finish(index, [new PdpmError("PDPM_INVALID_ARGUMENT", reason)]);
        return;
      }
      pieces = cut(post.bytes, prng);
      this.#pieces.set(index, pieces);
      if (post.verb === Verb.read) {
        this.#replies[this.#places[index] as number] = post.data ?? takeBuffer(post.bytes);
      }
    }
    this.#applyNext(index, post, pieces);
  }

  #applyNext(index: number, post: Post, pieces: Piece[]): void {
    const { start, end } = pieces.pop() as Piece;
    if (post.verb === Verb.write) {
      this.#memory.write(post.offset + start, (post.data as Uint8Array).subarray(start, end));
    } else {
      const target = this.#replies[this.#places[index] as number] as Uint8Array;
      this.#memory.read(post.offset + start, target.subarray(start, end));
    }
    if (pieces.length > 0) return;
    this.#done[index] = true;
    this.#left -= 1;
  }

  #finish(index: number, reply: unknown): void {
    this.#replies[this.#places[index] as number] = (reply as readonly unknown[])[0];
    this.#done[index] = true;
    this.#left -= 1;
  }
}

/** Pieces of `bytes` bytes, cut between words, in any order. */
function cut(bytes: number, prng: Prng): Piece[] {
  const words = Math.ceil(bytes / 8);
  const most = prng.chance(0.2) ? finePiecesMost : piecesMost;
  const count = Math.min(words, 1 + prng.below(most));
  const cuts = [0, bytes];
  while (cuts.length <= count) {
    const range = prng.chance(0.5) ? Math.min(words, nearWords) : words;
    const at = 8 * (1 + prng.below(range - 1));
    if (!cuts.includes(at)) cuts.push(at);
    else if (words <= nearWords) break;
  }
  cuts.sort((a, b) => a - b);
  const pieces = cuts.slice(1).map((end, i) => ({ start: cuts[i] as number, end }));
  for (let i = pieces.length - 1; i > 0; i -= 1) {
    const other = prng.below(i + 1);
    const piece = pieces[i] as Piece;
    pieces[i] = pieces[other] as Piece;
    pieces[other] = piece;
  }
  return pieces;
}
