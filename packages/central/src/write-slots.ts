// The slots of one client: every write carries a slot and that slot's next sequence number, so that
// a write delivered twice is carried out once (H15).
//
// Invariant: a slot carries one write at a time. A write whose answer never came is either sent
// again under the same ticket, or its slot's next write makes the coordinator refuse it for ever.

import { PdpmError } from "@pdpm/base";
import { requestSlots } from "./protocol.ts";

/** A slot and its sequence number. */
export interface SlotTicket {
  readonly slot: number;
  readonly sequence: number;
}

/** The slots of one client, made as they are needed. */
export class WriteSlots {
  readonly #free: number[] = [];
  readonly #sequences: number[] = [];

  /** A fresh ticket. @throws PDPM_BUSY while all slots are under way */
  take(): SlotTicket {
    const slot = this.#free.pop() ?? this.#sequences.length;
    if (slot >= requestSlots) {
      throw new PdpmError("PDPM_BUSY", `${requestSlots} writes of this client are under way`);
    }
    const sequence = (this.#sequences[slot] ?? 0) + 1;
    this.#sequences[slot] = sequence;
    return { slot, sequence };
  }

  /** Its write has ended, one way or another. */
  give({ slot }: SlotTicket): void {
    this.#free.push(slot);
  }
}
