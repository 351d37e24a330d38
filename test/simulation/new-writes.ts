// Writes of one simulated client as they begin: what each writes, on which version it depends, and
// its entry in the history. No two puts of a run write the same value.

import type { Prng } from "@pdpm/base";
import type { Key } from "@pdpm/kv";
import type { CallerWorld } from "./caller.ts";
import { type Entry, valueBytesOf } from "./history.ts";

/** A write that has begun. `value` undefined: a delete. */
export interface NewWrite {
  readonly entry: Entry;
  readonly value: Uint8Array | undefined;
  readonly ifVersion: number | undefined;
}

/** See above. */
export class NewWrites {
  readonly #world: CallerWorld;
  readonly #client: { readonly number: number; readonly prng: Prng };
  #sequence = 0;

  constructor(world: CallerWorld, client: { readonly number: number; readonly prng: Prng }) {
    this.#world = world;
    this.#client = client;
  }

  /** A put or a delete begins; `guess` says on which version it depends, if it does. */
  begin(key: Key, isPut: boolean, guess: (() => number) | undefined): NewWrite {
    const { history, interleaver, plan } = this.#world;
    const { number, prng } = this.#client;
    let identity: string | null = null;
    let value: Uint8Array | undefined;
    if (isPut) {
      this.#sequence += 1;
      identity = `${number}:${this.#sequence}`;
      const bytes = plan.valueSizes[prng.below(plan.valueSizes.length)] as number;
      value = valueBytesOf(identity, bytes);
    }
    const ifVersion = guess?.();
    const op = !isPut ? "delete" : guess === undefined ? "put" : "cas";
    const { steps } = interleaver;
    const entry = history.begin(number, op, key, steps, ifVersion ?? null, identity);
    return { entry, value, ifVersion };
  }
}
