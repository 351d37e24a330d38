// The term of a coordinator: from the commit that gave it the office until it is marked dead (H24).
// A change that it asks for is refused by the service afterwards, and its verbs by every memory
// node. An answer that rests on its memory alone comes here first.

import { PdpmError } from "@pdpm/base";
import type { Protocol } from "@pdpm/verbs";
import { ask } from "./calls.ts";
import type { Context } from "./session.ts";

/**
 * Returns if this coordinator was in office when the question was answered: then everything it knew
 * when it asked was true at that moment. @throws PDPM_FENCED
 */
export function* requireTerm(context: Context): Protocol<void> {
  const { clientId } = context.session;
  const { coordinator } = yield* ask(context, { ask: "offices" });
  if (coordinator === clientId) return;
  throw new PdpmError("PDPM_FENCED", `client ${clientId} is not the coordinator any more`);
}
