// What a client does beside its operations. The pulse, on time: it learns the chunk table, gives
// what others ask for, and only then says which table it has seen. So whoever waits for that knows
// that nothing idle is held back any more. Work, whenever there is some: keeps the books short.

import { type Protocol, pause, round } from "@pdpm/verbs";
import { acknowledge } from "./acknowledge.ts";
import { settleDoubts } from "./doubts.ts";
import { handBack } from "./hand-back.ts";
import { refill } from "./refill.ts";
import { retireAll, retireSome } from "./retire.ts";
import type { Context } from "./session.ts";
import { publishShortcuts } from "./shortcut-cells.ts";

/** Between two reports, in milliseconds. */
const restMs = 2;

/** Every half second. */
export function* pulse(context: Context): Protocol<void> {
  const { session } = context;
  const { table, pool } = session;
  yield* table.load(context);
  const { pressure } = table;
  const isPressed = pressure !== session.pressureAnswered;
  if (isPressed) {
    pool.becomeModest();
    yield* retireAll(context);
  }
  yield* settleDoubts(context);
  yield* handBack(context, (chunk) => isPressed || !table.isActive(chunk));
  session.pressureAnswered = pressure;
  yield* acknowledge(context);
}

/** Reports what was replaced and deleted, and refills what runs low. */
export function* work(context: Context): Protocol<void> {
  const { pool } = context.session;
  yield* report(context);
  yield* publishShortcuts(context);
  for (const sizeClass of pool.lowClasses()) {
    if (!pool.refilling.has(sizeClass)) yield* refill(context, sizeClass);
  }
}

/** While this client writes, only as much as must be; when it rests, all. */
function* report(context: Context): Protocol<void> {
  const { retiring } = context.session;
  let isDue = retiring.isDue;
  for (;;) {
    const which = retiring.rests() ? "any" : isDue ? "many" : "none";
    yield* retireSome(context, which);
    isDue &&= retiring.isWorthMore;
    if (!isDue && !retiring.hasToWalk && (which !== "any" || retiring.isEmpty)) return;
    // Others want to commit, too: whoever comes back at once finds the lock free before them.
    yield* round(pause(restMs));
  }
}
