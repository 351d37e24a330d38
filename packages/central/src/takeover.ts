// How a coordinator comes into office.
//
//   1. Whoever is in office is judged: one that lives keeps it. A dead one can post nothing any
//      more, at any memory node, before anything else happens (fenced, or its process has ended),
//      and is marked dead: the service refuses its changes from that commit on (H6, H24).
//   2. `claim`: the office passes on. One of several that try gets it.
//   3. What the dead held is taken back (reap.ts).
//
// Only then it serves. So when it answers for the first time, nobody else answers any more.

import { PdpmError } from "@pdpm/base";
import { Patience } from "@pdpm/kv";
import { call, type Protocol, round } from "@pdpm/verbs";
import { ask, change } from "./calls.ts";
import { reap } from "./reap.ts";
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
 * Takes the office, and what dead coordinators held. @throws PDPM_IN_USE when one of them lives
 */
export function* takeOver(context: Context, { pid, kind }: Entering): Protocol<void> {
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
  yield* reapDead(context);
}

/** Takes back what every dead client held. */
export function* reapDead(context: Context): Protocol<void> {
  for (const { id, state } of yield* ask(context, { ask: "clients" })) {
    if (id === context.session.clientId) continue;
    if (state === "live") {
      const { alive } = yield* judge(id);
      if (alive) continue;
      yield* change(context, { do: "markDead", dead: id });
    }
    yield* reap(context, id);
  }
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
