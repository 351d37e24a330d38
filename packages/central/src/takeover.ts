// How a coordinator comes into office, and takes back what dead ones held.
//
//   1. Whoever is in office is judged: one that lives keeps it. A dead one can post nothing any
//   more,
//      at any memory node, before anything else happens (fenced, or its process has ended), and is
//      marked dead: the service refuses its changes from that commit on (H6, H24).
//   2. `claim`: the office passes on. One of several that try gets it.
//   3. The cells leased to the dead are settled: one that a key's record names is live, or
//   superseded;
//      the others are wiped, durably, and free (H9, H23).
//
// Only then it serves. So when it answers for the first time, nobody else answers any more.

import { PdpmError } from "@pdpm/base";
import { Patience, toKey } from "@pdpm/kv";
import {
  type Address,
  addressIn,
  bufferFields,
  bufferHeaderBytes,
  decodeBufferHeader,
  wordAt,
} from "@pdpm/layout";
import { bitmapBytes, type ReturnedPart, type SpanPart } from "@pdpm/metadata-server/protocol";
import { call, compareAndSwap, type Protocol, read, round } from "@pdpm/verbs";
import { ask, change } from "./calls.ts";
import { cellsIn, setBit } from "./cell-pool.ts";
import { corruptSpace } from "./damage.ts";
import type { Context } from "./session.ts";

/** The server that says who may still post anything. */
export const membersServer = "members";

/** What it is asked: "dead" is said only when the client can post nothing any more, at any node. */
export interface JudgeRequest {
  readonly judge: number;
}

/** What it answers. */
export interface Judgement {
  readonly alive: boolean;
  /** The client in words: "pid 17, node server.js". */
  readonly who: string;
}

/** What the service must be told of a client that enters it. */
export interface Entering {
  readonly pid: number;
  readonly kind: "file" | "pulse";
}

/**
 * Takes the office, and settles what dead coordinators held. Says whom it buried.
 * @throws PDPM_IN_USE when another coordinator lives
 */
export function* takeOver(context: Context, { pid, kind }: Entering): Protocol<readonly number[]> {
  const { session } = context;
  yield* change(context, { do: "enter", pid, kind });
  const patience = new Patience(context);
  for (;;) {
    const { coordinator } = yield* ask(context, { ask: "offices" });
    if (coordinator !== 0 && coordinator !== session.clientId) yield* depose(context, coordinator);
    if ((yield* change(context, { do: "claim", office: "coordinator" })) === "claimed") break;
    yield* patience.wait("somebody else takes the office of the coordinator");
  }
  yield* session.table.load(context);
  return yield* reapDead(context);
}

/** Takes back what every dead client held. Says whom it buried. */
export function* reapDead(context: Context): Protocol<readonly number[]> {
  const buried: number[] = [];
  for (const { id, state } of yield* ask(context, { ask: "clients" })) {
    if (id === context.session.clientId) continue;
    if (state === "live") {
      const { alive } = yield* judge(id);
      if (alive) continue;
      yield* change(context, { do: "markDead", dead: id });
    }
    yield* reap(context, id);
    buried.push(id);
  }
  return buried;
}

function* depose(context: Context, id: number): Protocol<void> {
  const { alive, who } = yield* judge(id);
  if (alive) {
    throw new PdpmError("PDPM_IN_USE", `client ${id} (${who}) is the coordinator of this store`);
  }
  yield* change(context, { do: "markDead", dead: id });
}

function* judge(id: number): Protocol<Judgement> {
  const request: JudgeRequest = { judge: id };
  const [judgement] = yield* round(call<Judgement>(membersServer, request));
  return judgement;
}

function* reap(context: Context, dead: number): Protocol<void> {
  const { session } = context;
  for (const part of yield* ask(context, { ask: "leases", client: dead })) {
    const returned = yield* settle(context, part);
    yield* change(context, { do: "settle", dead, spans: [returned] });
    session.events.recoveries += 1;
  }
  yield* change(context, { do: "bury", dead });
  session.sweeping = { after: null };
}

/** A cell of a dead client's span that was written once: it may be valid. */
interface Suspect {
  readonly address: Address;
  readonly bit: number;
}

/** Which of the leased cells of a span are free: those that no key's record names, once wiped. */
function* settle(context: Context, part: SpanPart): Protocol<ReturnedPart> {
  const { table } = context.session;
  if (table.entry(part.chunk) === undefined) yield* table.load(context);
  const entry = table.entry(part.chunk);
  if (entry === undefined) throw corruptSpace(`a span of chunk ${part.chunk}, which is not there`);
  const cells = cellsIn(part, entry.sizeClass);
  const bitmap = new Uint8Array(bitmapBytes);
  if (cells.length === 0) return { chunk: part.chunk, span: part.span, bitmap };
  const words = yield* round(
    ...cells.map(({ address }) => read(address + bufferFields.headMark, 8)),
  );
  for (const [i, cell] of cells.entries()) {
    const mark = wordAt(words[i] as Uint8Array, 0);
    // Without a mark it is valid for nobody: never written, or wiped.
    const isNamed = mark !== 0n && (yield* isMapped(context, cell));
    if (isNamed) continue;
    if (mark !== 0n) yield* wipeAt(context, cell.address, mark);
    setBit(bitmap, cell.bit);
  }
  return { chunk: part.chunk, span: part.span, bitmap };
}

/** Whether the record of its key names this cell, as the live one or as a superseded one. */
function* isMapped(context: Context, { address }: Suspect): Protocol<boolean> {
  const { session } = context;
  const bytes = Math.min(bufferHeaderBytes + keyBytesMost, session.table.roomAt(address));
  const [image] = yield* round(read(address, bytes));
  const header = decodeBufferHeader(image);
  if (header === undefined || addressIn(header.self) !== address) return false;
  if (header.keyBytes < 1 || header.keyBytes > keyBytesMost) return false;
  const key = image.slice(bufferHeaderBytes, bufferHeaderBytes + header.keyBytes);
  const { head, stale } = yield* ask(context, { ask: "lookup", key });
  if (stale.length > 0) session.stale.add(toKey(key), stale);
  return head === header.self || stale.includes(header.self);
}

/** Wipes whatever mark stands there: nobody else writes this cell any more. */
function* wipeAt(context: Context, address: Address, mark: bigint): Protocol<void> {
  const at = address + bufferFields.headMark;
  yield* round(compareAndSwap(at, mark, 0n), ...context.session.flushes(at, 8));
}

const keyBytesMost = 1024;
