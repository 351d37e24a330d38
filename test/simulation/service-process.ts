// A process that runs the metadata service, a store access at a time: between any two of them the
// interleaver lets others move. What arrives at one process while it waits for the store shares its
// commits. The process dies at any moment, so before a commit or after it; it keeps nothing, for a
// service has no state outside the store.

import { type Clock, isPdpmError, type Prng } from "@pdpm/base";
import { type MemoryStore, MetadataService, type TransactionalStore } from "@pdpm/metadata-server";
import type { MetadataRequest } from "@pdpm/metadata-server/protocol";
import type { Interleaver } from "@pdpm/simulator";

/** Micro-steps of a millisecond of the service's clock. */
const stepsPerMs = 40;
/** A deadline from here on is longer than any run. */
const endlessMs = 1000;

/** What every process works with. */
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
export class ServiceProcess {
  readonly #parts: ServiceParts;
  readonly #service: MetadataService;
  #isDead = false;
  #failure: unknown;

  constructor(parts: ServiceParts, prng: Prng) {
    this.#parts = parts;
    const { label, regionHeaderBytes, callTimeoutMs, commitRecordsMost } = parts;
    this.#service = new MetadataService({
      store: this.#store(),
      clock: this.#clock(),
      prng,
      label,
      regionHeaderBytes,
      callTimeoutMs,
      commitRecordsMost,
    });
  }

  /** A request arrives: a chore of the interleaver. */
  handle(request: MetadataRequest, answered: (reply: unknown) => void): Promise<void> {
    const answer = (reply: unknown): void => {
      if (!this.#isDead) answered(reply);
    };
    return this.#compute(() => {
      this.#service.handle(request).then(answer, (error: unknown) => {
        if (!isPdpmError(error)) this.#failure = error;
        answer(error);
      });
    });
  }

  /** Nothing of it happens any more. */
  die(): void {
    this.#isDead = true;
  }

  /** Goes on until all of it waits for the interleaver. */
  async #compute(act: () => void): Promise<void> {
    if (this.#isDead) return;
    act();
    // All that it computes is microtasks, and Node begins no tick before they are done.
    await new Promise<void>((resolve) => process.nextTick(resolve));
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Stops here until the interleaver goes on with it. */
  #park(act: () => void, steps = 0): () => void {
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

  #clock(): Clock {
    const { interleaver } = this.#parts;
    return {
      now: () => interleaver.steps / stepsPerMs,
      after: (ms, then) =>
        ms < endlessMs ? this.#park(then, Math.ceil(ms * stepsPerMs)) : () => {},
    };
  }
}
