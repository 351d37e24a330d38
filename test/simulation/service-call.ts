// One delivery of one request to the metadata service, a store access at a time: between any two of
// them the interleaver lets others move. Each delivery has a service of its own over the common
// store, for a service has no state outside it; so one that dies does so at any access, before a
// commit or after it.

import { assert, type Clock, isPdpmError, type Prng } from "@pdpm/base";
import { type MemoryStore, MetadataService, type TransactionalStore } from "@pdpm/metadata-server";
import type { MetadataRequest } from "@pdpm/metadata-server/protocol";
import type { Interleaver } from "@pdpm/verbs/interleaver";

/** Micro-steps of a millisecond of the service's clock. */
const stepsPerMs = 40;
/** A deadline from here on is longer than any run. */
const endlessMs = 1000;
/** Turns of the event loop between two accesses at most: then it waits for something else. */
const hopsMost = 10_000;

/** What every delivery works with. */
export interface ServiceParts {
  readonly interleaver: Interleaver;
  readonly store: MemoryStore;
  readonly label: {
    readonly chunkBytes: number;
    readonly chunksMost: number;
    readonly nodeCount: number;
  };
  readonly regionHeaderBytes: number;
  readonly callTimeoutMs: number;
  readonly commitRecordsMost: number;
}

/** See above. */
export class ServiceCall {
  /** The client that asks. */
  readonly client: number;
  readonly #parts: ServiceParts;
  readonly #prng: Prng;
  readonly #request: MetadataRequest;
  readonly #answered: (reply: unknown) => void;
  /** It computes: it has not come to its next access, nor to its end. */
  #isRunning = false;
  #hasDeadline = false;
  #isAnswered = false;
  /** All its work is done, also after its deadline. */
  isOver = false;
  #isDead = false;
  #failure: unknown;

  constructor(
    parts: ServiceParts,
    prng: Prng,
    client: number,
    request: MetadataRequest,
    answered: (reply: unknown) => void,
  ) {
    this.#parts = parts;
    this.#prng = prng;
    this.client = client;
    this.#request = request;
    this.#answered = answered;
  }

  /** It arrives: a chore of the interleaver. */
  begin(): Promise<void> {
    const { label, regionHeaderBytes, callTimeoutMs, commitRecordsMost } = this.#parts;
    const service = new MetadataService({
      store: this.#store(),
      clock: this.#clock(),
      prng: this.#prng,
      label,
      regionHeaderBytes,
      callTimeoutMs,
      commitRecordsMost,
    });
    return this.#compute(() => {
      service.handle(this.#request).then(
        (reply) => this.#answer(reply),
        (error: unknown) => {
          if (!isPdpmError(error)) this.#failure = error;
          this.#answer(error);
        },
      );
    });
  }

  /** The process that carries it out dies: nothing of it happens any more. */
  die(): void {
    this.#isDead = true;
  }

  #answer(reply: unknown): void {
    this.#isAnswered = true;
    // One that is refused at once has no deadline whose end would tell.
    if (!this.#hasDeadline) this.isOver = true;
    if (this.isOver) this.#isRunning = false;
    if (!this.#isDead) this.#answered(reply);
  }

  /** Goes on to the next access, or to the end. */
  async #compute(act: () => void): Promise<void> {
    if (this.#isDead) return;
    this.#isRunning = true;
    act();
    await this.#until(() => !this.#isRunning);
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Stops here until the interleaver goes on with it. */
  #park(act: () => void, steps = 0): () => void {
    this.#isRunning = false;
    const { interleaver } = this.#parts;
    const chore = interleaver.enlist(() => this.#compute(act), steps);
    return () => interleaver.dismiss(chore);
  }

  #store(): TransactionalStore {
    const { store } = this.#parts;
    const access = <T>(work: () => Promise<T>): Promise<T> =>
      new Promise((resolve, reject) => {
        this.#park(() => void work().then(resolve, reject));
      });
    return {
      get: (key) => access(() => store.get(key)),
      range: (range) => access(() => store.range(range)),
      commit: (expected, writes) => access(() => store.commit(expected, writes)),
      close: async () => {},
    };
  }

  /** The call's deadline comes first, and is let go of last; all others are pauses. */
  #clock(): Clock {
    const { interleaver, callTimeoutMs } = this.#parts;
    return {
      now: () => interleaver.steps / stepsPerMs,
      after: (ms, then) => {
        if (this.#hasDeadline) return this.#park(then, Math.ceil(ms * stepsPerMs));
        this.#hasDeadline = true;
        assert(ms === callTimeoutMs, "the call's deadline comes before its pauses");
        const end = this.#deadline(then, ms);
        return () => {
          end();
          this.isOver = true;
          if (this.#isAnswered) this.#isRunning = false;
        };
      },
    };
  }

  #deadline(then: () => void, ms: number): () => void {
    const { interleaver } = this.#parts;
    assert(!this.#isRunning, "a call's deadline is set while its work waits for the store");
    if (ms >= endlessMs) return () => {};
    const chore = interleaver.enlist(async () => {
      if (this.#isDead) return;
      then();
      await this.#until(() => this.#isAnswered);
    }, ms * stepsPerMs);
    return () => interleaver.dismiss(chore);
  }

  /** Lets the service compute. Counted in turns, not in time: a seed runs the same again. */
  async #until(isDone: () => boolean): Promise<void> {
    for (let hops = 0; !isDone(); hops += 1) {
      assert(hops < hopsMost, "the metadata service waits for nobody, and does not answer");
      await undefined;
    }
  }
}
