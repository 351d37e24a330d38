// The way from one session to its memory nodes. When the session's id is given up the gate closes
// for ever, and when the client leaves: an operation that was waiting somewhere must not post under
// an id whose buffers others reclaim (H6).

import { PdpmError } from "@pdpm/base";
import type { Fabric, Replies, Round } from "@pdpm/verbs";

/** Passes rounds until it is closed. */
export class Gate implements Fabric {
  readonly #fabric: Fabric;
  #closed: PdpmError | undefined;

  constructor(fabric: Fabric) {
    this.#fabric = fabric;
  }

  /** The others have given this id up: from now on every post replies PDPM_FENCED. */
  fenced(clientId: number): void {
    const text = `client ${clientId} was given up by the others; this one comes back under a new id`;
    this.#closed = new PdpmError("PDPM_FENCED", `${text}: try again`);
  }

  /** The client leaves: from now on every post replies PDPM_CLOSED. */
  closed(): void {
    this.#closed ??= new PdpmError("PDPM_CLOSED", "the store was closed; open it again");
  }

  post(round: Round): Replies | Promise<Replies> {
    const closed = this.#closed;
    return closed === undefined ? this.#fabric.post(round) : round.map(() => closed);
  }
}
