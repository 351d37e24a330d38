// Which writes of each client the coordinator has carried out: a write that is delivered again gets
// the answer of the first delivery, an older one is refused (H15). Kept in memory, for one term.
//
// - A client is known from its greeting on. Of more clients than `windowsMost` the one that was
//   quiet for longest is forgotten, and refused afterwards: never taken for somebody new.
// - Per slot the last answer is kept, until the slot's next write.

import { PdpmError } from "@pdpm/base";
import type { CentralReply, Greeting, RequestTicket } from "./protocol.ts";

/** Clients that are remembered. */
export const windowsMost = 16_384;

type Answer = CentralReply | Promise<CentralReply>;

interface Slot {
  readonly sequence: number;
  readonly answer: Answer;
}

/** The windows of all clients of one term. */
export class RequestWindows {
  readonly #term: number;
  readonly #most: number;
  readonly #windows = new Map<number, Map<number, Slot>>();
  #last = 0;

  constructor(term: number, most: number = windowsMost) {
    this.#term = term;
    this.#most = most;
  }

  /** A window for a client that nobody was greeted with before. */
  open(): Greeting {
    if (this.#windows.size >= this.#most) {
      // The first in order of use.
      for (const session of this.#windows.keys()) {
        this.#windows.delete(session);
        break;
      }
    }
    this.#last += 1;
    this.#windows.set(this.#last, new Map());
    return { term: this.#term, session: this.#last };
  }

  /** Its client has left. */
  close({ term, session }: Greeting): void {
    if (term === this.#term) this.#windows.delete(session);
  }

  /**
   * What became of the write that `ticket` names: `work` is done at its first delivery.
   * @throws PDPM_INVALID_ARGUMENT (unknown) when the slot has carried a later write
   */
  once({ term, session, slot, sequence }: RequestTicket, work: () => Answer): Answer {
    const window = term === this.#term ? this.#windows.get(session) : undefined;
    if (window === undefined) return { refused: true };
    this.#windows.delete(session);
    this.#windows.set(session, window);
    const last = window.get(slot);
    if (last?.sequence === sequence) return last.answer;
    if (last !== undefined && last.sequence > sequence) {
      throw new PdpmError(
        "PDPM_INVALID_ARGUMENT",
        `write ${sequence} of slot ${slot} was followed by ${last.sequence}`,
        { outcome: "unknown" },
      );
    }
    const answer = work();
    window.set(slot, { sequence, answer });
    return answer;
  }
}
