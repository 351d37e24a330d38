// The lock of the chunk table: a root word, held while a chunk is cut or retired. A dead holder's
// lock is taken over. Whoever takes it begins by finishing what was left half done: a chunk that
// was being retired becomes active again, a number that was filled in counts.

import { isPdpmError } from "@pdpm/base";
import { Patience } from "@pdpm/kv";
import {
  ChunkState,
  decodeState,
  numberOf,
  numberWord,
  rootWords,
  rootWordsBytes,
  tableWord,
  wordAt,
} from "@pdpm/layout";
import { compareAndSwap, flush, type Post, type Protocol, read, round } from "@pdpm/verbs";
import { corrupt } from "./damage.ts";
import { Hold, leaveInDoubt, letGo, take } from "./holds.ts";
import { judge } from "./judge.ts";
import type { Context } from "./session.ts";

/** Takes the lock and reads the table anew. The caller holds no other lock. */
export function* lockTable(context: Context): Protocol<Hold> {
  const { session, operation } = context;
  const hold = new Hold(rootWords.tableLock, session.lockWord, 0n);
  const isInherited = yield* takeLock(context, hold);
  // Whoever had it before may have left a chunk half retired.
  hold.isHalfDone = isInherited;
  try {
    if (isInherited) yield* settleTable(context);
    yield* completeNumber(context);
    yield* session.table.load();
    hold.isHalfDone ||= session.table.isRetiring;
    yield* reviveRetiring(context);
    hold.isHalfDone = false;
    session.doubts.delete(hold.address);
    operation.epoch = session.table.generation;
    return hold;
  } catch (error) {
    yield* giveUp(context, hold, error);
    throw error;
  }
}

/**
 * Lets go of the lock after `error`. If replies were lost, nobody here knows what the table says,
 * and a chunk that stays half retired would hold up its readers, and be nobody's: then the lock
 * stays, until it is settled.
 */
export function* giveUp(context: Context, hold: Hold, error: unknown): Protocol<void> {
  const isUnknown = isPdpmError(error) && error.outcome === "unknown";
  if (isUnknown || hold.isHalfDone) leaveInDoubt(context, hold);
  else yield* letGo(context, [hold]);
}

/** True when the lock was a dead client's, or in doubt. */
function* takeLock(context: Context, hold: Hold): Protocol<boolean> {
  const { session, operation } = context;
  const { address, word } = hold;
  const patience = new Patience(context);
  for (;;) {
    // Whoever waits here holds no address into any chunk: it has acknowledged what it has read.
    operation.epoch = session.table.generation;
    if (session.held.has(address)) {
      yield* patience.wait("the chunk table is being changed by this client");
      continue;
    }
    const [found] = yield* take(context, address, 0n, word);
    if (found === 0n) return false;
    const holder = decodeState(found);
    if (holder === undefined) throw corrupt("the lock word of the chunk table is damaged");
    const { alive, who } = yield* judge(context, holder.owner);
    if (alive && holder.owner !== session.clientId) {
      session.events.lockWaits += 1;
      yield* patience.wait(`the chunk table is locked by client ${holder.owner} (${who})`);
      continue;
    }
    if (session.held.has(address)) continue;
    const [again] = yield* take(context, address, found, word);
    if (again !== found) continue;
    session.events.recoveries += 1;
    return true;
  }
}

/**
 * Makes durable what the lock's last holder had changed: it may have died before its flush, and
 * whoever goes on from what it says must not lose it to a power failure (H7).
 */
function* settleTable({ session }: Context): Protocol<void> {
  const { geometry, isDurable } = session;
  if (!isDurable) return;
  const [words] = yield* round(read(rootWords.tableLock, rootWordsBytes));
  const count = numberOf(wordAt(words, rootWords.tableCount));
  if (count === undefined) throw corrupt("the chunk table's count is damaged");
  // With the one behind the last, which the count may not cover yet.
  const used = Math.min(Math.max(count, 1) + 1, geometry.chunkNumbers);
  yield* round(flush(geometry.tableWord(0), 8 * used), flush(rootWords.tableLock, rootWordsBytes));
}

/** A table word may stand filled in while the count does not cover it yet: then it counts. */
function* completeNumber(context: Context): Protocol<void> {
  const { geometry } = context.session;
  for (;;) {
    const [words] = yield* round(read(rootWords.tableLock, rootWordsBytes));
    const countWord = wordAt(words, rootWords.tableCount);
    const count = numberOf(countWord);
    if (count === undefined) throw corrupt("the chunk table's count is damaged");
    const next = Math.max(count, 1);
    if (next >= geometry.chunkNumbers) return;
    const [bytes] = yield* round(read(geometry.tableWord(next), 8));
    if (wordAt(bytes, 0) === 0n) return;
    yield* round(...(yield* announce(context, next + 1)));
  }
}

/** The posts that raise count (if given) and generation, durably. Under the lock. */
export function* announce(context: Context, count: number | undefined): Protocol<Post[]> {
  const { session } = context;
  const [words] = yield* round(read(rootWords.tableLock, rootWordsBytes));
  const generation = numberOf(wordAt(words, rootWords.tableGeneration));
  if (generation === undefined) throw corrupt("the chunk table's generation is damaged");
  const { tableCount, tableGeneration } = rootWords;
  const posts: Post[] = [];
  if (count !== undefined) {
    posts.push(compareAndSwap(tableCount, wordAt(words, tableCount), numberWord(count)));
  }
  posts.push(compareAndSwap(tableGeneration, numberWord(generation), numberWord(generation + 1)));
  return [...posts, ...session.flushes(rootWords.tableLock, rootWordsBytes)];
}

/** Only the lock's holder retires, so what stands half retired when it is taken was given up. */
function* reviveRetiring(context: Context): Protocol<void> {
  const { table } = context.session;
  for (let chunk = 1; chunk < table.count; chunk += 1) {
    if (table.entry(chunk)?.state === ChunkState.retiring) {
      yield* setChunkState(context, chunk, ChunkState.active);
    }
  }
}

/** Changes one chunk's state, durably, and reads the table anew. Under the lock. */
export function* setChunkState(context: Context, chunk: number, state: ChunkState): Protocol<void> {
  const { session } = context;
  const entry = session.table.entry(chunk);
  if (entry === undefined) throw corrupt(`chunk ${chunk} is not in the table`);
  const at = session.geometry.tableWord(chunk);
  const [found] = yield* round(
    compareAndSwap(at, tableWord(entry), tableWord({ ...entry, state })),
    ...session.flushes(at, 8),
  );
  if (found !== tableWord(entry)) throw corrupt(`the table word of chunk ${chunk} changed`);
  yield* round(...(yield* announce(context, undefined)));
  yield* session.table.load();
}
