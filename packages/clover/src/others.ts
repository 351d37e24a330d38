// Waiting for the other clients of the store. A client acknowledges a generation of the chunk table
// after it has given back what that table asks for, and when no operation of its own is left that
// had not seen it (pulse.ts, acknowledge.ts).

import type { Patience } from "@pdpm/kv";
import type { ClientRecord } from "@pdpm/metadata-server/protocol";
import type { Protocol } from "@pdpm/verbs";
import { acknowledge } from "./acknowledge.ts";
import { ask } from "./calls.ts";
import type { Context } from "./session.ts";

/** Looks at the others before they are not waited for any more: about two seconds. */
export const looksMost = 280;

/** Waits until everybody has acknowledged `generation`. False when the patience for it ran out. */
export function* waitForAll(
  context: Context,
  generation: number,
  patience: Patience,
  most: number = looksMost,
): Protocol<boolean> {
  const { session, operation } = context;
  for (;;) {
    if (session.table.generation < generation) yield* session.table.load(context);
    // This operation holds nothing; what its caller knows is looked at again before it is used.
    operation.epoch = session.table.generation;
    yield* acknowledge(context);
    const behind = yield* laggards(context, generation);
    if (behind.length === 0) return true;
    if (patience.attempt >= most) return false;
    const [first] = behind;
    yield* patience.wait(
      `client ${first?.id} (pid ${first?.pid}) has yet to see a change of space`,
    );
  }
}

/** The living clients that have not acknowledged `generation`, this one among them. */
function* laggards(context: Context, generation: number): Protocol<ClientRecord[]> {
  const clients = yield* ask(context, { ask: "clients" });
  return clients.filter(({ state, acknowledged }) => {
    return state === "live" && acknowledged < generation;
  });
}
