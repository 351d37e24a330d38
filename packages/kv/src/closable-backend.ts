// A backend that knows whether it was closed: afterwards every operation is PDPM_CLOSED, also the
// next step of one that takes several, and no call reaches the design underneath.

import { PdpmError } from "@pdpm/base";
import type { Limits } from "@pdpm/verbs";
import type { Backend, BackendCounters, BackendStats, Found, Supports } from "./backend.ts";
import type { Key } from "./key.ts";

/** Forwards to a design until it is closed. */
export class ClosableBackend implements Backend {
  readonly design: string;
  readonly supports: Supports;
  readonly #backend: Backend;
  #closing: Promise<void> | undefined;

  constructor(backend: Backend) {
    this.#backend = backend;
    this.design = backend.design;
    this.supports = backend.supports;
  }

  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /** @throws PDPM_CLOSED once closed. */
  assertOpen(): void {
    if (this.#closing !== undefined) {
      throw new PdpmError("PDPM_CLOSED", "the store was closed; open it again");
    }
  }

  get(key: Key, limits: Limits): Found | undefined | Promise<Found | undefined> {
    this.assertOpen();
    return this.#backend.get(key, limits);
  }

  put(
    key: Key,
    value: Uint8Array,
    ifVersion: number | undefined,
    limits: Limits,
  ): number | Promise<number> {
    this.assertOpen();
    return this.#backend.put(key, value, ifVersion, limits);
  }

  delete(
    key: Key,
    ifVersion: number | undefined,
    limits: Limits,
  ): number | undefined | Promise<number | undefined> {
    this.assertOpen();
    return this.#backend.delete(key, ifVersion, limits);
  }

  async *keys(limits: Limits): AsyncGenerator<readonly Key[], void, void> {
    this.assertOpen();
    for await (const page of this.#backend.keys(limits)) {
      yield page;
      this.assertOpen();
    }
  }

  stats(): Promise<BackendStats> {
    this.assertOpen();
    return this.#backend.stats();
  }

  counters(): BackendCounters {
    return this.#backend.counters();
  }

  /** Closes once; later calls wait for the first. */
  close(timeoutMs: number): Promise<void> {
    // Async, so that a design that throws leaves the store closed all the same.
    this.#closing ??= (async () => this.#backend.close(timeoutMs))();
    return this.#closing;
  }
}
