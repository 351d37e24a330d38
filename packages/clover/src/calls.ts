// Asking the metadata service: control plane only, never between the rounds of a get or an update
// of a key that this client knows.
//
// - A question, and a change under its ticket, may be sent as often as its reply is lost.
// - An error that is thrown from here says whether its change may have taken effect.

import { PdpmError } from "@pdpm/base";
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
  readonly session: Waiting["session"] & {
    readonly slots: CallSlots;
    readonly acknowledged: number;
  };
}

/** Questions of one round at most. */
const callsPerRound = 64;
/** Errors after which the very same request is sent again. */
const passing: readonly string[] = ["PDPM_UNAVAILABLE", "PDPM_BUSY", "PDPM_TIMEOUT"];

/** Asks a question. A lost reply is asked for again, for it changes nothing. */
export function* ask<Q extends Question>(
  context: Caller,
  question: Q,
): Protocol<AnswerOf[Q["ask"]]> {
  const [answer] = yield* send(context, [question], false);
  return resultOf<AnswerOf[Q["ask"]]>(answer);
}

/** Asks many, `callsPerRound` at a time. The answers are in the order of the questions. */
export function* askMany<Q extends Question>(
  context: Caller,
  questions: readonly Q[],
): Protocol<AnswerOf[Q["ask"]][]> {
  const answers: AnswerOf[Q["ask"]][] = [];
  for (let first = 0; first < questions.length; first += callsPerRound) {
    const some = questions.slice(first, first + callsPerRound);
    for (const answer of yield* send(context, some, false)) answers.push(resultOf(answer));
  }
  return answers;
}

/** Asks for a change, once and only once, however often it is delivered. */
export function* change<C extends Change>(context: Caller, wanted: C): Protocol<ReplyOf[C["do"]]> {
  return yield* deliver(context, yield* takeTicket(context), wanted);
}

/** The same for a change that is its operation's commit point. */
export function* changeCommitting<C extends Change>(
  context: Caller,
  wanted: C,
): Protocol<ReplyOf[C["do"]]> {
  return yield* deliver(context, yield* takeTicket(context), wanted, true);
}

/**
 * Returns when none of the changes that were asked for before can take effect any more without our
 * knowing: each was answered, or a later one of its slot was.
 */
export function* overtakeLost(context: Caller): Protocol<void> {
  const { slots, acknowledged } = context.session;
  const patience = new Patience(context);
  for (const lost of slots.unanswered()) {
    while (!slots.isAnswered(lost)) {
      const ticket = slots.takeSlot(lost.slot);
      if (ticket === undefined) {
        yield* patience.wait("a change at the metadata server is under way");
      } else {
        yield* deliver(context, ticket, { do: "acknowledge", generation: acknowledged });
      }
    }
  }
}

/** A ticket, when there is one. */
function* takeTicket(context: Caller): Protocol<Ticket> {
  const { slots } = context.session;
  const patience = new Patience(context);
  for (;;) {
    const ticket = slots.take();
    if (ticket !== undefined) return ticket;
    yield* patience.wait("every call slot of this client is under way");
  }
}

/** One change, under one ticket. */
function* deliver<C extends Change>(
  context: Caller,
  ticket: Ticket,
  wanted: C,
  commits = false,
): Protocol<ReplyOf[C["do"]]> {
  let isKnown = false;
  try {
    const [reply] = yield* send(context, [{ ticket, change: wanted }], commits);
    isKnown = !(reply instanceof PdpmError) || reply.outcome === "not-applied";
    return resultOf<ReplyOf[C["do"]]>(reply);
  } finally {
    context.session.slots.give(ticket, isKnown);
  }
}

/** One round of calls; those whose reply is lost are sent again as they were. */
function* send(
  context: Caller,
  requests: readonly unknown[],
  commits: boolean,
): Protocol<readonly unknown[]> {
  const patience = new Patience(context);
  const replies: unknown[] = new Array<unknown>(requests.length);
  let left = requests.map((_, i) => i);
  let isLost = false;
  for (;;) {
    const answers = yield left.map((i) => {
      const post = call(metadataServer, requests[i]);
      return commits ? commitPoint(post) : post;
    });
    for (const [n, i] of left.entries()) replies[i] = answers[n];
    left = left.filter((i) => isPassing(replies[i]));
    if (left.length === 0) return replies;
    const reasons = left.map((i) => replies[i] as PdpmError);
    isLost ||= reasons.some(({ outcome }) => outcome === "unknown");
    try {
      yield* patience.wait(`the metadata server does not answer (${reasons[0]?.text})`);
    } catch (error) {
      throw isLost && error instanceof PdpmError ? error.withOutcome("unknown") : error;
    }
  }
}

function isPassing(reply: unknown): boolean {
  return reply instanceof PdpmError && passing.includes(reply.code);
}

function resultOf<T>(reply: unknown): T {
  if (reply instanceof PdpmError) throw reply;
  return reply as T;
}
