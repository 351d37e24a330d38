// A fixed window of call slots: every change that this client asks of the metadata service carries
// a slot and that slot's next sequence number, so that a change delivered twice has one effect
// (H15).
//
// Invariant: a slot carries one change at a time. A change whose reply never came is either sent
// again under the same ticket, or its slot's next change makes the service refuse it for ever.

import { callSlots, type Ticket } from "@pdpm/metadata-server/protocol";

/** The slots of one client. */
export class CallSlots {
  readonly #client: number;
  /** The one that was free last is taken first: few slots are used, and few replies stored. */
  readonly #free: number[] = Array.from({ length: callSlots }, (_, i) => callSlots - 1 - i);
  readonly #sequences: number[] = new Array<number>(callSlots).fill(0);
  /** By slot: the sequence number of the last change whose effect, or none, is known. */
  readonly #answered: number[] = new Array<number>(callSlots).fill(0);

  constructor(client: number) {
    this.#client = client;
  }

  /** A fresh ticket, or undefined while all slots are under way. */
  take(): Ticket | undefined {
    const slot = this.#free.pop();
    return slot === undefined ? undefined : this.#next(slot);
  }

  /** A fresh ticket of this very slot, or undefined while it is under way. */
  takeSlot(slot: number): Ticket | undefined {
    const at = this.#free.indexOf(slot);
    if (at < 0) return undefined;
    this.#free.splice(at, 1);
    return this.#next(slot);
  }

  /** Its change has ended, one way or another. */
  give({ slot, sequence }: Ticket, isAnswered: boolean): void {
    this.#free.push(slot);
    if (isAnswered) this.#answered[slot] = sequence;
  }

  /** Whether nobody can apply the change of `ticket` any more without our knowing. */
  isAnswered({ slot, sequence }: Ticket): boolean {
    return (this.#answered[slot] as number) >= sequence;
  }

  /** The last change of each slot that is under way, or whose reply never came. */
  unanswered(): Ticket[] {
    return this.#sequences
      .map((sequence, slot) => ({ client: this.#client, slot, sequence }))
      .filter((ticket) => !this.isAnswered(ticket));
  }

  #next(slot: number): Ticket {
    const sequence = (this.#sequences[slot] as number) + 1;
    this.#sequences[slot] = sequence;
    return { client: this.#client, slot, sequence };
  }
}
