// What takes part in an interleaved run beside the clients: a service that they call, the wire to
// it, its clock. Each turn of theirs is a micro-step of its own.

import { assert } from "@pdpm/base";

/** One turn of somebody who is no client, at some later step. */
export class Chore {
  /** What it does; a promise that it returns is waited for before anybody else moves. */
  readonly act: () => void | Promise<void>;
  wakeAt = 0;

  constructor(act: () => void | Promise<void>) {
    this.act = act;
  }
}

/** What a call is answered when its reply comes at a later step than its request. */
export class LaterReply {
  #take: ((reply: unknown) => void) | undefined;
  #isGiven = false;

  /** The reply: a value, or a PdpmError. Only the first one is taken. */
  give(reply: unknown): void {
    if (this.#isGiven) return;
    this.#isGiven = true;
    assert(this.#take !== undefined, "a later reply was given before the call had returned");
    this.#take(reply);
  }

  /** The interleaver's: who waits for it. */
  awaitedBy(take: (reply: unknown) => void): void {
    this.#take = take;
  }
}
