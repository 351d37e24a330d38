// Changes that take effect once, however often they are delivered (H15). A client has a fixed
// window of call slots; each change names a slot and its next sequence number, and the slot's
// record, with the reply, is written in the commit of the change's effect.
//
// - The same number again: the stored reply. A lower one: refused, whoever sent it waits no more.
//   A higher one, also with a gap: done.
// - A batch is several commits of bounded size. Each stores how far it got, with the replies so
//   far, so a second delivery, of whatever process, goes on where the first one ended.
// - Every commit expects the client's liveness record as it was read: nothing is changed any more
//   for a client that was marked dead (H6). It still learns what it did before.

import { type ErrorOutcome, isPdpmError, PdpmError } from "@pdpm/base";
import type { Ticket } from "./protocol.ts";
import { clientOf, type SlotRecord, slotOf } from "./records.ts";
import type { ReplyValue } from "./reply-value.ts";
import { type Call, type Transaction, transact } from "./transaction.ts";

/**
 * Makes the commit depend on the client's being live.
 * @throws PDPM_FENCED when it was marked dead, or is not here any more. With its slots are gone
 * what it did, so nobody can say then whether an earlier delivery took effect.
 */
export async function requireLive(
  transaction: Transaction,
  id: number,
  outcome: ErrorOutcome = "not-applied",
): Promise<void> {
  const client = await transaction.get(clientOf(id));
  if (client?.state === "live") return;
  if (client !== undefined) {
    throw new PdpmError("PDPM_FENCED", `client ${id} was given up by the others`, { outcome });
  }
  throw new PdpmError("PDPM_FENCED", `client ${id} is not here`, { outcome: "unknown" });
}

/**
 * What the ticket's slot holds of this very change. @throws PDPM_INVALID_ARGUMENT: of a later one
 */
export async function storedReply(
  transaction: Transaction,
  ticket: Ticket,
): Promise<SlotRecord | undefined> {
  const slot = await transaction.get(slotOf(ticket.client, ticket.slot));
  if (slot === undefined || slot.sequence < ticket.sequence) return undefined;
  if (slot.sequence === ticket.sequence) return slot;
  throw new PdpmError(
    "PDPM_INVALID_ARGUMENT",
    `change ${ticket.sequence} of call slot ${ticket.slot} was followed by ${slot.sequence}`,
    { outcome: "unknown" },
  );
}

/** Stores a reply, in the commit of its effect. */
export function storeReply(
  transaction: Transaction,
  { client, slot, sequence }: Ticket,
  reply: ReplyValue,
  isComplete = true,
): void {
  transaction.put(slotOf(client, slot), { sequence, isComplete, reply });
}

/** Runs work in a transaction: alone, or in a group. */
export type Transact = <T>(work: (transaction: Transaction) => Promise<T>) => Promise<T>;

/** A change that is one commit, or in one. */
export function once<T extends ReplyValue>(
  run: Transact,
  ticket: Ticket,
  work: (transaction: Transaction) => Promise<T>,
): Promise<T> {
  return run(async (transaction) => {
    const stored = await storedReply(transaction, ticket);
    if (stored !== undefined) return stored.reply as T;
    await requireLive(transaction, ticket.client);
    const reply = await work(transaction);
    storeReply(transaction, ticket, reply);
    return reply;
  });
}

/** A change of many parts that need not happen together. */
export interface Batch<I, R extends ReplyValue, T extends ReplyValue> {
  readonly items: readonly I[];
  /** Does items, in order, in this transaction. */
  begin(transaction: Transaction): (item: I) => Promise<R>;
  /** The reply, of those of all items. */
  finish(replies: readonly R[]): T;
}

/** A change that is a number of commits; after a conflict half as much is tried. */
export async function inParts<I, R extends ReplyValue, T extends ReplyValue>(
  call: Call,
  ticket: Ticket,
  batch: Batch<I, R, T>,
): Promise<T> {
  let recordsMost = call.commitRecordsMost;
  for (let commits = 0; ; commits += 1) {
    let tried = recordsMost;
    try {
      const { isComplete, reply } = await transact(call, async (transaction, attempt) => {
        if (attempt > 0) recordsMost = Math.max(1, tried >> 1);
        const part = await onePart(transaction, ticket, batch, recordsMost);
        tried = Math.min(recordsMost, part.records);
        return part;
      });
      if (isComplete) return reply as T;
    } catch (error) {
      if (commits > 0 && isPdpmError(error)) throw error.withOutcome("unknown");
      throw error;
    }
    recordsMost = Math.min(call.commitRecordsMost, 2 * recordsMost);
  }
}

/** What a commit of a batch leaves in its slot, and how many records it depends on. */
interface Part extends Omit<SlotRecord, "sequence"> {
  readonly records: number;
}

async function onePart<I, R extends ReplyValue, T extends ReplyValue>(
  transaction: Transaction,
  ticket: Ticket,
  { items, begin, finish }: Batch<I, R, T>,
  recordsMost: number,
): Promise<Part> {
  const stored = await storedReply(transaction, ticket);
  if (stored?.isComplete) return { ...stored, records: 0 };
  await requireLive(transaction, ticket.client, stored && "unknown");
  const replies = [...((stored?.reply ?? []) as readonly R[])];
  if (replies.length > items.length) {
    throw new PdpmError("PDPM_INVALID_ARGUMENT", "another change was begun with this ticket");
  }
  const doItem = begin(transaction);
  const first = replies.length;
  for (const item of items.slice(first)) {
    if (replies.length > first && transaction.records >= recordsMost) break;
    replies.push(await doItem(item));
  }
  const isComplete = replies.length === items.length;
  const reply = isComplete ? finish(replies) : replies;
  storeReply(transaction, ticket, reply, isComplete);
  return { isComplete, reply, records: transaction.records };
}
