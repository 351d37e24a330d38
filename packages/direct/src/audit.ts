// Proves a quiet store's space: every cell is live, free or leased to an open client, and never two of
// these; every live cell is named by exactly one entry of its own key's bucket, and verifies. Used by
// the tests (simulated and real) and by `pdpm fsck`. Reads everything; changes nothing.

import { keyText, type Key, type SpaceStats, toKey } from "@pdpm/kv";
import {
  type Address,
  addressText,
  bucketClass,
  CellState,
  type CellWord,
  cellBytes,
  copyCapacity,
  copyHeaderBytes,
  decodeState,
  wordAt,
} from "@pdpm/layout";
import { type Protocol, read, round } from "@pdpm/verbs";
import { homeOf, readChain } from "./bucket-chain.ts";
import type { Context } from "./session.ts";
import { committedOffset, SlotView } from "./slot-view.ts";

/** State words read in one round. */
const wordsPerRound = 256;

/** What an audit found. */
export interface AuditReport {
  /** Each in one sentence that names the place. Empty: the store is sound. */
  readonly problems: readonly string[];
  readonly space: SpaceStats;
  readonly keys: number;
  /** Cells or buckets that carry this client's id, by client id. */
  readonly heldBy: ReadonlyMap<number, number>;
}

/** One audit in the making. */
class Audit {
  readonly problems: string[] = [];
  readonly named = new Map<Address, Address>();
  readonly heldBy = new Map<number, number>();
  keys = 0;

  note(problem: string): void {
    if (this.problems.length < 1000) this.problems.push(problem);
  }

  held(word: CellWord | undefined): void {
    if (word?.owner) this.heldBy.set(word.owner, (this.heldBy.get(word.owner) ?? 0) + 1);
  }
}

/** Counts cells by state. One read of 8 bytes per cell. */
export function* countSpace(context: Context): Protocol<SpaceStats> {
  return yield* auditCells(context, () => {});
}

/** The whole audit. What running clients are about to change may be reported: ask when it is quiet. */
export function* auditStore(context: Context): Protocol<AuditReport> {
  const { session } = context;
  const audit = new Audit();
  yield* session.table.load();
  const overflow = new Set<Address>();
  for (let i = 0; i < session.geometry.homeBuckets; i += 1) {
    yield* auditBucket(context, audit, session.geometry.homeBucket(i), overflow);
  }
  const space = yield* auditCells(context, (cell, sizeClass, word) => {
    const where = `cell ${addressText(cell)}`;
    if (word === undefined) audit.note(`${where}: its state word is damaged`);
    else if (word.owner !== 0) audit.held(word);
    else if (word.state === CellState.live) {
      const isNamed = sizeClass === bucketClass ? overflow.has(cell) : audit.named.has(cell);
      if (!isNamed) audit.note(`${where}: live, but no bucket names it`);
    } else if (word.state !== CellState.free) audit.note(`${where}: held by nobody, and not free`);
    else if (audit.named.has(cell)) audit.note(`${where}: free, but a bucket names it`);
  });
  return { problems: audit.problems, space, keys: audit.keys, heldBy: audit.heldBy };
}

function* auditBucket(
  context: Context,
  audit: Audit,
  home: Address,
  overflow: Set<Address>,
): Protocol<void> {
  const chain = yield* readChain(context, home);
  audit.held(decodeState(chain.homeImage.lockWord));
  for (const address of chain.addresses.slice(1)) {
    if (overflow.has(address)) audit.note(`overflow ${addressText(address)}: in two chains`);
    overflow.add(address);
  }
  const keys = new Set<Key>();
  for (const entry of chain.entries()) {
    const where = `entry at ${addressText(entry.at)}`;
    const { cell, sizeClass } = entry;
    if (!context.session.table.isCell(cell, sizeClass)) {
      audit.note(`${where}: names no cell of its class`);
      continue;
    }
    if (audit.named.has(cell)) audit.note(`cell ${addressText(cell)}: two entries name it`);
    audit.named.set(cell, entry.at);
    const key = yield* auditSlot(audit, cell, sizeClass);
    if (key === undefined) continue;
    if (keys.has(key)) audit.note(`${where}: the bucket names ${keyText(key)} twice`);
    keys.add(key);
    if (homeOf(context, key).bucket !== home) audit.note(`${where}: not the bucket of its key`);
  }
  if (chain.damaged) audit.note(`bucket ${addressText(home)}: a word of it is damaged`);
  audit.keys += keys.size;
}

/** The key of a live slot whose committed copy verifies; what is wrong with it is noted. */
function* auditSlot(audit: Audit, cell: Address, sizeClass: number): Protocol<Key | undefined> {
  const [bytes] = yield* round(read(cell, committedOffset + copyCapacity(sizeClass)));
  const view = new SlotView(cell, bytes);
  const { word } = view;
  const where = `cell ${addressText(cell)}`;
  if (word !== undefined && word.owner !== 0) return undefined; // Its holder's affair.
  const copy = view.header(committedOffset);
  if (word?.state !== CellState.live) audit.note(`${where}: named, but not live`);
  else if (typeof copy !== "object" || copy.incarnation !== word.incarnation) {
    audit.note(`${where}: its committed header does not verify`);
  } else {
    const start = committedOffset + copyHeaderBytes;
    const key = toKey(bytes.subarray(start, start + copy.keyBytes));
    if (typeof view.value(committedOffset, copy) === "object") return key;
    audit.note(`${where}: the value of ${keyText(key)} does not verify`);
  }
  return undefined;
}

function* auditCells(
  context: Context,
  visit: (cell: Address, sizeClass: number, word: CellWord | undefined) => void,
): Protocol<SpaceStats> {
  const { session } = context;
  const { table } = session;
  const count = { live: 0, free: 0, uncommitted: 0, bytesLive: 0 };
  for (const { chunk, sizeClass } of [...table.active()]) {
    const cells = table.cellsPerChunk(sizeClass);
    for (let first = 0; first < cells; first += wordsPerRound) {
      const some = Array.from({ length: Math.min(wordsPerRound, cells - first) }, (_, i) =>
        table.cell(chunk, sizeClass, first + i),
      );
      const words = (yield* round(...some.map((cell) => read(cell, 8)))) as Uint8Array[];
      for (const [i, cell] of some.entries()) {
        const word = decodeState(wordAt(words[i] as Uint8Array, 0));
        visit(cell, sizeClass, word);
        if (word?.state === CellState.free) count.free += 1;
        else if (word?.state === CellState.claimed) count.uncommitted += 1;
        else {
          count.live += 1;
          count.bytesLive += cellBytes(sizeClass);
        }
      }
    }
  }
  return {
    chunkBytes: session.geometry.chunkBytes,
    chunks: table.chunksInUse,
    chunksMost: session.chunksMost,
    cellsLive: count.live,
    cellsFree: count.free,
    cellsUncommitted: count.uncommitted,
    bytesLive: count.bytesLive,
  };
}
