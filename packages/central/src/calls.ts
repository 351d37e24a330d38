// Asking the metadata service: its transactions are the commit points of Central, so nearly every
// write comes here, and no read of a key that the mapping knows.

import { type ErrorCode, PdpmError } from "@pdpm/base";
import { Patience, type Waiting } from "@pdpm/kv";
import {
  type AnswerOf,
  type Change,
  metadataServer,
  type Question,
  type ReplyOf,
  type Ticket,
} from "@pdpm/metadata-server/protocol";
import { call, commitPoint, type Protocol } from "@pdpm/verbs";
import type { CallSlots } from "./call-slots.ts";

/** Who asks: an operation of a session. */
export interface Caller extends Waiting {
  readonly session: Waiting["session"] & { readonly slots: CallSlots };
}

/** After these the very same request finds out what became of it. */
const askAgain: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "PDPM_UNAVAILABLE",
  "PDPM_TIMEOUT",
  "PDPM_BUSY",
]);

/** Asks a question. A lost reply is asked for again, for it changes nothing. */
export function ask<const Q extends Question>(
  context: Caller,
  question: Q,
): Protocol<AnswerOf[Q["ask"]]> {
  return send(context, question, false);
}

/** Asks for a change, once and only once, however often it is delivered. */
export function change<const C extends Change>(
  context: Caller,
  wanted: C,
): Protocol<ReplyOf[C["do"]]> {
  return changeAs(context, wanted, false);
}

/** The same for a change that is its operation's commit point. */
export function changeCommitting<const C extends Change>(
  context: Caller,
  wanted: C,
): Protocol<ReplyOf[C["do"]]> {
  return changeAs(context, wanted, true);
}

function* changeAs<C extends Change>(
  context: Caller,
  wanted: C,
  commits: boolean,
): Protocol<ReplyOf[C["do"]]> {
  const ticket = yield* takeTicket(context);
  try {
    return yield* send(context, { ticket, change: wanted }, commits);
  } finally {
    context.session.slots.give(ticket);
  }
}

/** A ticket that nobody else uses until it is given back. */
export function* takeTicket(context: Caller): Protocol<Ticket> {
  const { slots } = context.session;
  const patience = new Patience(context);
  for (;;) {
    const ticket = slots.take();
    if (ticket !== undefined) return ticket;
    yield* patience.wait("every call slot of the coordinator is under way");
  }
}

/**
 * Asks for a change under a ticket that stays with its caller. Whoever is stopped before there is a
 * reply does not know what becomes of it, and asks for the very same again to find out.
 */
export function changeUnder<const C extends Change>(
  context: Caller,
  ticket: Ticket,
  wanted: C,
): Protocol<ReplyOf[C["do"]]> {
  return send(context, { ticket, change: wanted }, false);
}

/** One call; while its reply is lost, the very same request again. */
function* send<R>(context: Caller, request: unknown, commits: boolean): Protocol<R> {
  const patience = new Patience(context);
  for (;;) {
    const post = call<R>(metadataServer, request);
    const [reply] = yield [commits ? commitPoint(post) : post];
    if (!(reply instanceof PdpmError)) return reply as R;
    if (!askAgain.has(reply.code)) throw reply;
    yield* patience.wait(`the metadata service does not answer (${reply.text})`);
  }
}
