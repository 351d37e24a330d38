// A client's requests to the coordinator: one call each, and what is done about a call whose answer
// is lost.
//
// - A question is asked again: it changes nothing.
// - A write is sent again under the same ticket, which the coordinator of that term knows again.
//   Once another coordinator is in office, a write whose first deliveries may have arrived is not
//   tried again: its outcome is unknown (H11).

import { type Clock, type ErrorCode, errorCodes, PdpmError, type Prng } from "@pdpm/base";
import { Patience } from "@pdpm/kv";
import { call, commitPoint, type Limits, type Operation, type Protocol } from "@pdpm/verbs";
import {
  type CentralFailure,
  type CentralQuestion,
  type CentralReply,
  type CentralRequest,
  type CentralResultOf,
  type CentralWrite,
  coordinatorServer,
  type Greeting,
} from "./protocol.ts";
import { WriteSlots } from "./write-slots.ts";

const changing = "the coordinator of this store changes";
/** Of what is left of a caller's time the answer's way back gets a tenth, up to this. */
const wayBackMsMost = 50;

/** State of one client. */
export class ClientSession {
  readonly clock: Clock;
  readonly prng: Prng;
  readonly slots: WriteSlots = new WriteSlots();
  /** The coordinator's last greeting; undefined: it is to be greeted. */
  greeting: Greeting | undefined = undefined;
  isGreeting = false;
  /** Calls whose answer was lost, and that were sent again. */
  repeated = 0;
  /** Coordinators that this client was greeted by. */
  greetings = 0;

  /** Who does not answer when a call's deadline passes, in words; undefined: nobody knows. */
  readonly silent: () => string | undefined;

  constructor(clock: Clock, prng: Prng, silent: () => string | undefined = () => undefined) {
    this.clock = clock;
    this.prng = prng;
    this.silent = silent;
  }
}

/** What a client's protocols are given. */
export interface ClientContext {
  readonly session: ClientSession;
  readonly operation: Operation;
  /** When the caller's time is up; Infinity: never. */
  readonly endAt: number;
}

/** The context of an operation whose caller waits as `limits` say. */
export function contextOf(
  session: ClientSession,
  operation: Operation,
  { timeoutMs }: Limits,
): ClientContext {
  const endAt = timeoutMs === undefined ? Infinity : session.clock.now() + timeoutMs;
  return { session, operation, endAt };
}

/** How long the coordinator may take. */
function timeLeft({ session, endAt }: ClientContext): number | null {
  if (endAt === Infinity) return null;
  const left = Math.max(0, endAt - session.clock.now());
  return left - Math.min(wayBackMsMost, left / 10);
}

/** What a request of this kind says beside what is added to each. */
type BodyOf<O extends CentralRequest["op"]> = Omit<
  Extract<CentralRequest, { readonly op: O }>,
  "op" | "timeoutMs" | "ticket"
>;

/** Asks until there is an answer. @throws what the coordinator answers */
export function* askCoordinator<O extends CentralQuestion["op"]>(
  context: ClientContext,
  op: O,
  body: BodyOf<O>,
): Protocol<CentralResultOf[O]> {
  const { session, operation } = context;
  const patience = new Patience(context);
  /** Why there was no answer the last time. */
  let why: string | undefined;
  for (;;) {
    operation.waitingFor = whoAnswers(session, why);
    const [reply] = yield [call(coordinatorServer, { op, ...body, timeoutMs: timeLeft(context) })];
    operation.waitingFor = undefined;
    const text = notAnswered(reply);
    if (text === undefined) {
      const answer = reply as CentralReply<CentralResultOf[O]>;
      if ("done" in answer) return answer.done;
      if ("failed" in answer) throw failureOf(answer.failed);
    }
    session.repeated += 1;
    why = text ?? changing;
    yield* patience.wait(why);
  }
}

/**
 * Has a write carried out, once. @throws what the coordinator answers; PDPM_UNAVAILABLE (unknown)
 */
export function* sendWrite<O extends CentralWrite["op"]>(
  context: ClientContext,
  op: O,
  body: BodyOf<O>,
): Protocol<CentralResultOf[O]> {
  const { session, operation } = context;
  const patience = new Patience(context);
  const ticket = session.slots.take();
  /** Who may have carried it out already. */
  let sentTo: Greeting | undefined;
  let why: string | undefined;
  try {
    for (;;) {
      const greeting = yield* greet(context);
      if (sentTo !== undefined && sentTo !== greeting) throw inDoubt();
      const named = { ticket: { ...greeting, ...ticket }, timeoutMs: timeLeft(context) };
      operation.waitingFor = whoAnswers(session, why);
      const [reply] = yield [commitPoint(call(coordinatorServer, { op, ...body, ...named }))];
      operation.waitingFor = undefined;
      const text = notAnswered(reply);
      if (text !== undefined) {
        if ((reply as PdpmError).outcome === "unknown") sentTo = greeting;
        session.repeated += 1;
        why = text;
        yield* patience.wait(why);
        continue;
      }
      const answer = reply as CentralReply<CentralResultOf[O]>;
      if ("done" in answer) return answer.done;
      // Whatever was delivered before: the same ticket, so this is what became of it.
      if ("failed" in answer) {
        if (answer.failed.outcome === "not-applied") operation.hadNoEffect();
        throw failureOf(answer.failed);
      }
      if (sentTo !== undefined) throw inDoubt();
      operation.hadNoEffect();
      if (session.greeting === greeting) session.greeting = undefined;
      why = changing;
      yield* patience.wait(why);
    }
  } finally {
    session.slots.give(ticket);
  }
}

/** The greeting of the coordinator in office, as far as this client knows. */
export function* greet(context: ClientContext): Protocol<Greeting> {
  const { session } = context;
  const patience = new Patience(context);
  while (session.greeting === undefined) {
    if (session.isGreeting) {
      yield* patience.wait("the coordinator of this store is looked for");
      continue;
    }
    session.isGreeting = true;
    try {
      session.greeting = yield* askCoordinator(context, "hello", {});
      session.greetings += 1;
    } finally {
      session.isGreeting = false;
    }
  }
  return session.greeting;
}

/** Tells the coordinator that this client has left, if it is there to hear it. */
export function* sayGoodBye({ session }: ClientContext): Protocol<void> {
  const { greeting } = session;
  if (greeting !== undefined) yield [call(coordinatorServer, { op: "bye", greeting })];
}

/** Whom a call waits for at its deadline: a host that is known, else what kept the last call. */
function whoAnswers({ silent }: ClientSession, why: string | undefined): () => string | undefined {
  return why === undefined ? silent : () => silent() ?? why;
}

/** Why there is no answer, in words; undefined when there is one. @throws what is no loss */
function notAnswered(reply: unknown): string | undefined {
  if (!(reply instanceof PdpmError)) return undefined;
  if (reply.code !== "PDPM_UNAVAILABLE") throw reply;
  return `the coordinator does not answer (${reply.text})`;
}

function failureOf({ code, text, outcome }: CentralFailure): PdpmError {
  const isKnown = Object.hasOwn(errorCodes, code);
  const known = isKnown ? (code as ErrorCode) : "PDPM_UNAVAILABLE";
  return new PdpmError(known, text, { outcome });
}

function inDoubt(): PdpmError {
  const text = "another coordinator took over while this write was on its way: read the key to see";
  return new PdpmError("PDPM_UNAVAILABLE", text, { outcome: "unknown" });
}
