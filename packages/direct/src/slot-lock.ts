// The lock of a slot: its state word with the writer's id in it. Every change of a slot's value or
// state is made under it. A dead holder's lock is recovered (H5), never just taken.

import { type Key, keyBytes, keyText } from "@pdpm/kv";
import { CellState, decodeState, type SlotCopy, stateWord, valueOffset } from "@pdpm/layout";
import { type Protocol, read } from "@pdpm/verbs";
import type { BucketChain } from "./bucket-chain.ts";
import type { Cursor } from "./cursor-cache.ts";
import { corruptSlot } from "./damage.ts";
import { slotPatience } from "./held-up.ts";
import { Hold, release, take } from "./holds.ts";
import { judge } from "./judge.ts";
import { recoverSlot } from "./recovery.ts";
import type { Context } from "./session.ts";
import { committedOffset, SlotView } from "./slot-view.ts";

/** A locked slot, and the header of its committed copy. */
export interface LockedSlot {
  readonly hold: Hold;
  readonly copy: SlotCopy;
}

/**
 * Locks the slot of `cursor` and reads the committed header behind the lock: one round trip.
 * "gone": the slot no longer has that life. `chain` is given by callers that hold the key's bucket.
 * @throws HeldUp when they would hold it too long
 */
export function* lockSlot(
  context: Context,
  key: Key,
  cursor: Cursor,
  chain?: BucketChain,
): Protocol<LockedSlot | "gone"> {
  const { session } = context;
  const { slot, incarnation } = cursor;
  const idle = stateWord(CellState.live, incarnation, 0);
  const mine = session.myWord(CellState.live, incarnation);
  const headBytes = committedOffset + valueOffset(keyBytes(key).length);
  const patience = slotPatience(context, chain);
  for (;;) {
    while (session.held.has(slot)) yield* patience.wait(`${keyText(key)} is in use by this client`);
    const [found, bytes] = yield* take(context, slot, idle, mine, read(slot, headBytes));
    if (found === idle) {
      const hold = new Hold(slot, mine, idle);
      const view = new SlotView(slot, bytes as Uint8Array);
      const copy = view.header(committedOffset);
      const isGood = typeof copy === "object" && copy.incarnation === incarnation;
      if (isGood && view.isOf(key, committedOffset, copy)) return { hold, copy };
      yield* release(context, [hold]);
      throw corruptSlot(key, slot);
    }
    const word = decodeState(found);
    if (word === undefined) throw corruptSlot(key, slot);
    if (word.state !== CellState.live || word.incarnation !== incarnation) return "gone";
    session.events.lockWaits += 1;
    const { alive, who } = yield* judge(context, word.owner);
    if (alive && word.owner !== session.clientId) {
      yield* patience.wait(`${keyText(key)} is locked by client ${word.owner} (${who})`);
    } else {
      yield* recoverSlot(context, slot, word.owner, key, chain);
      yield* patience.wait(`${keyText(key)} is being recovered`);
    }
  }
}
