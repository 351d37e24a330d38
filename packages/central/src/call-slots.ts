// A fixed window of call slots: every change that the coordinator asks of the metadata service
// carries a slot and that slot's next sequence number, so that a change delivered twice has one
// effect (H15).
//
// Invariant: a slot carries one change at a time. A change whose reply never came is either sent
// again under the same ticket, or its slot's next change makes the service refuse it for ever.

import { callSlots, type Ticket } from "@pdpm/metadata-server/protocol";

/** The slots of one client. */
export class CallSlots {
  readonly #client: number;
  readonly #free: number[] = Array.from({ length: callSlots }, (_, slot) => slot);
  readonly #sequences: number[] = new Array<number>(callSlots).fill(0);

  constructor(client: number) {
    this.#client = client;
  }

  /** A fresh ticket, or undefined while all slots are under way. */
  take(): Ticket | undefined {
    const slot = this.#free.shift();
    if (slot === undefined) return undefined;
    const sequence = (this.#sequences[slot] as number) + 1;
    this.#sequences[slot] = sequence;
    return { client: this.#client, slot, sequence };
  }

  /** Its change has ended, one way or another. */
  give({ slot }: Ticket): void {
    this.#free.push(slot);
  }
}
