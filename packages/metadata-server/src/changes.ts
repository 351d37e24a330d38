// Which file does which change, and how often it commits: once, alone or in a group, or in parts.

import { unreachable } from "@pdpm/base";
import { inParts, once } from "./call-slots.ts";
import { addChunk, placeToGrow, recut, retire, setWithdrawn } from "./chunks.ts";
import * as clients from "./clients.ts";
import * as directory from "./directory.ts";
import type { Geometry } from "./geometry.ts";
import type { Groups } from "./group.ts";
import type { Change, ReplyOf, ReturnedPart, Ticket } from "./protocol.ts";
import type { ReplyValue } from "./reply-value.ts";
import { leaseSpans, SpaceWriter } from "./space.ts";
import { press } from "./table.ts";
import { type Call, type Transaction, transact } from "./transaction.ts";

type Reply = ReplyOf[Change["do"]];

/** The frequent ones, of which none looks at a range but to take a number at the queue's end. */
const inGroups: ReadonlySet<Change["do"]> = new Set([
  "acknowledge",
  "create",
  "forget",
  "supersede",
]);

/** Makes the change, once and for all. */
export function makeChange(
  call: Call,
  groups: Groups,
  geometry: Geometry,
  ticket: Ticket,
  change: Change,
): Promise<Reply> {
  switch (change.do) {
    case "enter":
      return transact(call, (transaction) =>
        clients.enter(transaction, ticket, geometry.nodeCount, change),
      );
    case "leave":
      return transact(call, (transaction) => clients.leave(transaction, ticket));
    case "giveBack":
      return giveBack(call, geometry, ticket, ticket.client, change.spans);
    case "settle":
      return giveBack(call, geometry, ticket, change.dead, change.spans);
    case "advance":
      return inParts(call, ticket, {
        items: change.moves,
        begin(transaction) {
          const space = new SpaceWriter(transaction, geometry);
          return (move) => directory.advance(transaction, space, move);
        },
        finish: (replies) => replies,
      }) as Promise<Reply>;
    case "forgetMany":
      return inParts(call, ticket, {
        items: change.keys,
        begin(transaction) {
          const space = new SpaceWriter(transaction, geometry);
          return (key) => directory.forget(transaction, space, key);
        },
        finish: (replies) => replies,
      }) as Promise<Reply>;
    case "clean":
      return inParts(call, ticket, {
        items: change.cells,
        begin(transaction) {
          const space = new SpaceWriter(transaction, geometry);
          return (cells) => directory.clean(transaction, space, cells);
        },
        finish: (replies) => replies,
      });
    default:
      return once<ReplyValue>(
        (work) => (inGroups.has(change.do) ? groups.transact(call, work) : transact(call, work)),
        ticket,
        (transaction) =>
          makeOnce(transaction, geometry, ticket.client, change) as Promise<ReplyValue>,
      ) as Promise<Reply>;
  }
}

type InOneCommit = Exclude<
  Change,
  { do: "enter" | "leave" | "giveBack" | "settle" | "advance" | "forgetMany" | "clean" }
>;

function makeOnce(
  transaction: Transaction,
  geometry: Geometry,
  client: number,
  change: InOneCommit,
): Promise<Reply> {
  switch (change.do) {
    case "acknowledge":
      return clients.acknowledge(transaction, client, geometry.nodeCount, change);
    case "lease":
      return lease(transaction, geometry, client, change.sizeClass, change.buffers);
    case "addChunk":
      return addChunk(transaction, geometry, change);
    case "create":
      return directory.create(transaction, geometry, client, change);
    case "forget":
      return directory.forget(transaction, new SpaceWriter(transaction, geometry), change);
    case "supersede":
      return directory.supersede(transaction, geometry, client, change);
    case "press":
      return press(transaction, geometry.nodeCount);
    case "withdraw":
      return setWithdrawn(transaction, geometry, change.chunk, true);
    case "restore":
      return setWithdrawn(transaction, geometry, change.chunk, false);
    case "retire":
      return retire(transaction, geometry, change.chunk);
    case "recut":
      return recut(transaction, geometry, change.chunk, change.sizeClass);
    case "claim":
      return clients.claim(transaction, client, change.office);
    case "resign":
      return clients.resign(transaction, client, change.office);
    case "markDead":
      return clients.markDead(transaction, change);
    case "bury":
      return clients.bury(transaction, change);
    default:
      return unreachable(change);
  }
}

async function lease(
  transaction: Transaction,
  geometry: Geometry,
  client: number,
  sizeClass: number,
  buffers: number,
): Promise<ReplyOf["lease"]> {
  const spans = await leaseSpans(transaction, client, sizeClass, buffers);
  return spans.length > 0 ? { spans } : placeToGrow(transaction, geometry);
}

/** Ends leases of `owner`: the ticket's client, or a dead one. */
function giveBack(
  call: Call,
  geometry: Geometry,
  ticket: Ticket,
  owner: number,
  spans: readonly ReturnedPart[],
): Promise<"done"> {
  return inParts(call, ticket, {
    items: spans,
    begin(transaction) {
      const space = new SpaceWriter(transaction, geometry);
      return async (part) => {
        const isKnown = owner === ticket.client || (await clients.requireDead(transaction, owner));
        if (isKnown) await space.giveBack(owner, part);
        return null;
      };
    },
    finish: () => "done",
  });
}
