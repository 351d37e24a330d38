// The audit of the cells: every state word of every chunk in use, and whether what it says agrees
// with what the buckets name.

import { keyText, type SpaceStats } from "@pdpm/kv";
import {
  type Address,
  addressText,
  bucketClass,
  bucketFields,
  CellState,
  type CellWord,
  ChunkState,
  cellBytes,
  decodeState,
  numberOf,
  wordAt,
} from "@pdpm/layout";
import { type Protocol, read, round } from "@pdpm/verbs";
import { homeOf } from "./bucket-chain.ts";
import type { Findings } from "./findings.ts";
import type { Context } from "./session.ts";
import { keyOfSlot, readWhole } from "./slot-copies.ts";

/** State words read in one round. */
const wordsPerRound = 256;

/** Counts cells by state. One read of 8 bytes per cell. */
export function* countSpace(context: Context): Protocol<SpaceStats> {
  return yield* visitCells(context, () => {});
}

/** Notes every cell whose word is damaged or at odds with `findings.named`. */
export function* auditCells(context: Context, findings: Findings): Protocol<SpaceStats> {
  const unnamed: [cell: Address, sizeClass: number][] = [];
  const space = yield* visitCells(context, (cell, sizeClass, word) => {
    const where = `cell ${addressText(cell)}`;
    if (word !== undefined && word.owner !== 0) findings.hold(cell, word.owner);
    else if (findings.named.has(cell))
      return; // Noted with its bucket.
    else if (word === undefined) {
      findings.note("state-word", `${where}: its state is damaged; nothing names it`, { cell });
    } else if (word.state === CellState.live) unnamed.push([cell, sizeClass]);
    else if (word.state !== CellState.free) {
      findings.note("stray", `${where}: held by nobody, and not free`, { cell });
    }
  });
  for (const [cell, sizeClass] of unnamed) {
    if (sizeClass === bucketClass) yield* noteBucket(findings, cell);
    else yield* noteSlot(context, findings, cell, sizeClass);
  }
  return space;
}

function* noteBucket(findings: Findings, cell: Address): Protocol<void> {
  const [bytes] = yield* round(read(cell + bucketFields.intent, 8));
  const text = `overflow bucket ${addressText(cell)}: live, but no chain leads to it`;
  findings.note("lost-bucket", text, { cell, home: numberOf(wordAt(bytes, 0)) });
}

function* noteSlot(
  context: Context,
  findings: Findings,
  cell: Address,
  sizeClass: number,
): Protocol<void> {
  const key = keyOfSlot(yield* readWhole(cell, sizeClass), sizeClass);
  const whose = key === undefined ? "" : ` of ${keyText(key)}`;
  const text = `cell ${addressText(cell)}${whose}: live, but no bucket names it`;
  const home = key === undefined ? undefined : homeOf(context, key).bucket;
  findings.note("unnamed", text, { cell, key, home });
}

/** Visits every cell of every chunk in use. */
function* visitCells(
  context: Context,
  visit: (cell: Address, sizeClass: number, word: CellWord | undefined) => void,
): Protocol<SpaceStats> {
  const { session } = context;
  const { table } = session;
  const count = { live: 0, free: 0, uncommitted: 0, bytesLive: 0 };
  for (let chunk = 1; chunk < table.count; chunk += 1) {
    const { state, sizeClass = 0 } = table.entry(chunk) ?? {};
    if (state !== ChunkState.active && state !== ChunkState.retiring) continue;
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
