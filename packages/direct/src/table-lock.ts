// The lock of the chunk table: a root word, held while a chunk is cut or retired. A dead holder's lock is
// taken over; a chunk that it was retiring becomes active again, a number that it had filled in counts.

import {
  ChunkState,
  decodeState,
  decodeTable,
  numberOf,
  numberWord,
  rootWords,
  rootWordsBytes,
  tableWord,
  wordAt,
} from "@pdpm/layout";
import { compareAndSwap, type Post, type Protocol, read, round } from "@pdpm/verbs";
import { corrupt } from "./damage.ts";
import { giveUpTaking, Hold, letGo } from "./holds.ts";
import { judge } from "./judge.ts";
import { Patience } from "./patience.ts";
import type { Context } from "./session.ts";

/** Takes the lock and reads the table anew. The caller holds no other lock. */
export function* lockTable(context: Context): Protocol<Hold> {
  const { session, operation } = context;
  const at = rootWords.tableLock;
  const patience = new Patience(context);
  const hold = new Hold(at, session.lockWord, 0n);
  let isTakenOver = false;
  for (;;) {
    // Whoever waits here holds no address into any chunk: it has acknowledged what it has read.
    operation.epoch = session.table.generation;
    if (session.held.has(at)) {
      yield* patience.wait("the chunk table is being changed by this client");
      continue;
    }
    session.held.add(at);
    try {
      const [found] = yield* round(compareAndSwap(at, 0n, hold.word));
      if (found === 0n) break;
      isTakenOver = yield* takeOver(context, hold, found, patience);
      if (isTakenOver) break;
    } catch (error) {
      giveUpTaking(context, at, error);
      throw error;
    }
    session.held.delete(at);
  }
  try {
    yield* completeNumber(context);
    yield* session.table.load();
    if (isTakenOver) yield* reviveRetiring(context);
    session.doubts.delete(at);
    operation.epoch = session.table.generation;
    return hold;
  } catch (error) {
    yield* letGo(context, [hold]);
    throw error;
  }
}

function* takeOver(
  context: Context,
  hold: Hold,
  found: bigint,
  patience: Patience,
): Protocol<boolean> {
  const { session } = context;
  const holder = decodeState(found);
  if (holder === undefined) throw corrupt("the lock word of the chunk table is damaged");
  const { alive, who } = yield* judge(context, holder.owner);
  if (alive && holder.owner !== session.clientId) {
    session.events.lockWaits += 1;
    yield* patience.wait(`the chunk table is locked by client ${holder.owner} (${who})`);
    return false;
  }
  const [again] = yield* round(compareAndSwap(hold.address, found, hold.word));
  if (again === found) session.events.recoveries += 1;
  return again === found;
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

function* reviveRetiring(context: Context): Protocol<void> {
  const { table, geometry } = context.session;
  for (let chunk = 1; chunk < table.count; chunk += 1) {
    if (table.entry(chunk)?.state === ChunkState.retiring) {
      yield* setChunkState(context, chunk, ChunkState.active);
    }
  }
  const [bytes] = yield* round(read(geometry.tableWord(0), 8));
  if (decodeTable(wordAt(bytes, 0)) === undefined) throw corrupt("the chunk table is damaged");
}

/** Changes one chunk's state, durably, and reads the table anew. Under the lock. */
export function* setChunkState(
  context: Context,
  chunk: number,
  state: ChunkState,
): Protocol<void> {
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
