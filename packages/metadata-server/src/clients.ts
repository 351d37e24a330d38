// Clients: who is live, what each has acknowledged, and who holds which office.
//
// - A dead client never becomes live again, and an id is never used twice: an `enter` that arrives
//   after its client is gone is refused.
// - A record is removed only when its client owns no span.
// - What a client has acknowledged stands apart from its liveness, on which all its changes depend.

import { PdpmError } from "@pdpm/base";
import { requireLive, storedReply, storeReply } from "./call-slots.ts";
import {
  type AnswerOf,
  type Change,
  type ClientRecord,
  callSlots,
  type Office,
  type ReplyOf,
  type Ticket,
} from "./protocol.ts";
import { decodeRecord, endOf } from "./record.ts";
import {
  acknowledgedOf,
  buriedRecord,
  clientIn,
  clientOf,
  clientsPrefix,
  leasedOf,
  officeOf,
  slotOf,
} from "./records.ts";
import { readTable } from "./table.ts";
import type { Transaction } from "./transaction.ts";

/** Ids of the gone that are remembered one by one; lower ones count as gone. */
export const buriedMost = 256;
const pageClients = 256;

type Done<D extends Change["do"]> = Extract<Change, { do: D }>;

export async function enter(
  transaction: Transaction,
  ticket: Ticket,
  nodeCount: number,
  { pid, kind }: Done<"enter">,
): Promise<ReplyOf["enter"]> {
  const id = ticket.client;
  const known = await transaction.get(clientOf(id));
  if (known !== undefined) {
    const stored = await storedReply(transaction, ticket);
    if (stored !== undefined) return stored.reply as unknown as ReplyOf["enter"];
    await requireLive(transaction, id);
    throw new PdpmError("PDPM_INVALID_ARGUMENT", `client id ${id} is in use`);
  }
  if (await isBuried(transaction, id)) {
    throw new PdpmError("PDPM_FENCED", `client id ${id} was used before`);
  }
  // Noted: whoever enters after a retirement has acknowledged it.
  const { generation } = await readTable(transaction, nodeCount);
  transaction.put(clientOf(id), { pid, kind, state: "live" });
  transaction.put(acknowledgedOf(id), generation);
  storeReply(transaction, ticket, { generation });
  return { generation };
}

/** A second delivery finds nobody, and is answered all the same: who is gone owes nothing. */
export async function leave(transaction: Transaction, ticket: Ticket): Promise<ReplyOf["leave"]> {
  if ((await transaction.get(clientOf(ticket.client))) === undefined) return "left";
  const stored = await storedReply(transaction, ticket);
  if (stored !== undefined) return stored.reply as ReplyOf["leave"];
  await requireLive(transaction, ticket.client);
  if (await remove(transaction, ticket.client)) return "left";
  storeReply(transaction, ticket, "owes");
  return "owes";
}

export async function bury(
  transaction: Transaction,
  { dead }: Done<"bury">,
): Promise<ReplyOf["bury"]> {
  const client = await transaction.get(clientOf(dead));
  if (client === undefined) return "buried";
  await requireDead(transaction, dead);
  return (await remove(transaction, dead)) ? "buried" : "owes";
}

/** Removes all records of a client, unless it owns spans. */
async function remove(transaction: Transaction, id: number): Promise<boolean> {
  const leased = (await transaction.get(leasedOf(id))) ?? [];
  if (leased.length > 0) return false;
  transaction.put(leasedOf(id), undefined);
  transaction.put(clientOf(id), undefined);
  transaction.put(acknowledgedOf(id), undefined);
  for (let slot = 0; slot < callSlots; slot += 1) transaction.put(slotOf(id, slot), undefined);
  await buryId(transaction, id);
  return true;
}

/** Whether this id was used, and is gone. */
async function isBuried(transaction: Transaction, id: number): Promise<boolean> {
  const buried = (await transaction.get(buriedRecord)) ?? [];
  return buried.includes(id) || (buried.length === buriedMost && id < (buried[0] as number));
}

async function buryId(transaction: Transaction, id: number): Promise<void> {
  if (await isBuried(transaction, id)) return;
  const buried = [...((await transaction.get(buriedRecord)) ?? []), id].sort((a, b) => a - b);
  transaction.put(buriedRecord, buried.slice(-buriedMost));
}

export async function acknowledge(
  transaction: Transaction,
  client: number,
  nodeCount: number,
  { generation }: Done<"acknowledge">,
): Promise<ReplyOf["acknowledge"]> {
  const before = (await transaction.get(acknowledgedOf(client))) ?? 0;
  if (generation <= before) return "done";
  const table = await readTable(transaction, nodeCount, "peek");
  if (generation > table.generation) {
    throw new PdpmError("PDPM_INVALID_ARGUMENT", `generation ${generation} is yet to come`);
  }
  transaction.put(acknowledgedOf(client), generation);
  return "done";
}

/**
 * From the commit on nothing is changed for that client any more. Of one that is not known the
 * request to enter may still be on its way: it is as gone as those that were buried.
 */
export async function markDead(
  transaction: Transaction,
  { dead }: Done<"markDead">,
): Promise<ReplyOf["markDead"]> {
  const client = await transaction.get(clientOf(dead));
  if (client === undefined) await buryId(transaction, dead);
  else if (client.state === "live") transaction.put(clientOf(dead), { ...client, state: "dead" });
  return "done";
}

/** Whether the client is still known; it must be dead then. */
export async function requireDead(transaction: Transaction, id: number): Promise<boolean> {
  const client = await transaction.get(clientOf(id));
  if (client === undefined) return false;
  if (client.state === "dead") return true;
  throw new PdpmError("PDPM_INVALID_ARGUMENT", `client ${id} was not marked dead`);
}

export async function claim(
  transaction: Transaction,
  client: number,
  office: Office,
): Promise<ReplyOf["claim"]> {
  const holder = await holderOf(transaction, office);
  if (holder !== 0 && holder !== client) return { holder };
  transaction.put(officeOf(office), client);
  return "claimed";
}

export async function resign(
  transaction: Transaction,
  client: number,
  office: Office,
): Promise<ReplyOf["resign"]> {
  const holder = await transaction.get(officeOf(office));
  if (holder === client) transaction.put(officeOf(office), 0);
  return "done";
}

/** The living holder of an office, or 0: whoever is dead or gone holds none. */
async function holderOf(transaction: Transaction, office: Office): Promise<number> {
  const holder = (await transaction.get(officeOf(office))) ?? 0;
  if (holder === 0) return 0;
  return (await transaction.get(clientOf(holder)))?.state === "live" ? holder : 0;
}

export async function officeHolders(transaction: Transaction): Promise<AnswerOf["offices"]> {
  const collector = await holderOf(transaction, "collector");
  return { collector, coordinator: await holderOf(transaction, "coordinator") };
}

/** Every client, by id. */
export async function listClients(transaction: Transaction): Promise<readonly ClientRecord[]> {
  const clients: ClientRecord[] = [];
  const end = endOf(clientsPrefix);
  for (let start = clientsPrefix; ; ) {
    const page = await transaction.range({ start, end, limit: pageClients });
    for (const { key, value } of page) {
      const id = clientIn(key);
      const liveness = decodeRecord(clientOf(id), value);
      const acknowledged = (await transaction.peek(acknowledgedOf(id))) ?? 0;
      clients.push({ id, ...liveness, acknowledged });
    }
    if (page.length < pageClients) return clients;
    start = `${page.at(-1)?.key}\0`;
  }
}
