// The way from one session to its memory nodes. When the session's id is given up the gate closes
// for ever: an operation that was waiting somewhere must not post under the id that comes after
// (H6).

import { PdpmError } from "@pdpm/base";
import type { Fabric, Replies, Round } from "@pdpm/verbs";

/** Passes rounds until it is closed. */
export class Gate implements Fabric {
  readonly #fabric: Fabric;
  #closed: PdpmError | undefined;

  constructor(fabric: Fabric) {
    this.#fabric = fabric;
  }

  /** From now on every post replies PDPM_FENCED. */
  close(clientId: number): void {
    const text = `client ${clientId} was given up by the others; this one comes back under a new id`;
    this.#closed = new PdpmError("PDPM_FENCED", `${text}: try again`);
  }

  post(round: Round): Replies | Promise<Replies> {
    const closed = this.#closed;
    return closed === undefined ? this.#fabric.post(round) : round.map(() => closed);
  }
}
