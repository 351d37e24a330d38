// Asking the metadata service: control plane only, never between the rounds of a get or an update of
// a key that this client knows.

import { PdpmError } from "@pdpm/base";
import { Patience } from "@pdpm/kv";
import {
  type AnswerOf,
  type Change,
  metadataServer,
  type Question,
  type ReplyOf,
} from "@pdpm/metadata-server/protocol";
import { call, commitPoint, type Protocol } from "@pdpm/verbs";
import type { Context } from "./session.ts";

/** Asks a question. A lost reply is asked for again, for it changes nothing. */
export function* ask<Q extends Question>(
  context: Context,
  question: Q,
): Protocol<AnswerOf[Q["ask"]]> {
  return yield* send(context, question, false);
}

/** Asks for a change, once and only once, however often it is delivered. */
export function change<C extends Change>(context: Context, wanted: C): Protocol<ReplyOf[C["do"]]> {
  return changeAs(context, wanted, false);
}

/** The same for a change that is its operation's commit point. */
export function changeCommitting<C extends Change>(
  context: Context,
  wanted: C,
): Protocol<ReplyOf[C["do"]]> {
  return changeAs(context, wanted, true);
}

function* changeAs<C extends Change>(
  context: Context,
  wanted: C,
  commits: boolean,
): Protocol<ReplyOf[C["do"]]> {
  const { slots } = context.session;
  const patience = new Patience(context);
  let ticket = slots.take();
  while (ticket === undefined) {
    yield* patience.wait("every call slot of this client is under way");
    ticket = slots.take();
  }
  try {
    const request = { ticket, change: wanted };
    return yield* send(context, request, commits);
  } finally {
    slots.give(ticket);
  }
}

/** One call; while its reply is lost ("unknown"), the very same request again. */
function* send<R>(context: Context, request: unknown, commits: boolean): Protocol<R> {
  const patience = new Patience(context);
  for (;;) {
    const post = call<R>(metadataServer, request);
    const [reply] = yield [commits ? commitPoint(post) : post];
    if (!(reply instanceof PdpmError)) return reply as R;
    if (reply.code !== "PDPM_UNAVAILABLE") throw reply;
    yield* patience.wait(`the metadata server does not answer (${reply.text})`);
  }
}
