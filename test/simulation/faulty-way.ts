// The way of calls to a server in a simulated run, and what goes wrong on it: a request is late, is
// lost, or is delivered twice, and so is its answer.

import type { PdpmError, Prng } from "@pdpm/base";
import { type Interleaver, LaterReply } from "@pdpm/simulator";
import type { FaultCounts } from "./fault-counts.ts";

/** How often what goes wrong. */
export interface WayFaults {
  /** That the caller hears of no answer, whatever became of its request. */
  readonly lossChance: number;
  /** That a request is delivered once more. */
  readonly repeatChance: number;
  /** That it arrives late. */
  readonly delayChance: number;
  /** And by how many micro-steps at most. */
  readonly delayStepsMost: number;
}

const noFaults: WayFaults = {
  lossChance: 0,
  repeatChance: 0,
  delayChance: 0,
  delayStepsMost: 1,
};

/** Brings one copy of a request to its server, `steps` from now; `later` takes the answer. */
export type Deliver = (later: LaterReply, steps: number) => void;

/** See above. */
export class FaultyWay {
  readonly #interleaver: Interleaver;
  readonly #whileSick: WayFaults;
  readonly #prng: Prng;
  readonly #counts: FaultCounts;
  readonly #lost: (outcome: "unknown" | "not-applied") => PdpmError;

  /** `lost` is what a caller is told whose call came to nothing. */
  constructor(
    interleaver: Interleaver,
    faults: WayFaults,
    prng: Prng,
    counts: FaultCounts,
    lost: (outcome: "unknown" | "not-applied") => PdpmError,
  ) {
    this.#interleaver = interleaver;
    this.#whileSick = faults;
    this.#prng = prng;
    this.#counts = counts;
    this.#lost = lost;
  }

  /** A request sets out. */
  send(deliver: Deliver): LaterReply {
    const later = new LaterReply();
    const { lossChance, repeatChance } = this.#faults;
    const prng = this.#prng;
    const isLost = prng.chance(lossChance);
    if (isLost) this.#counts.add("call or answer lost");
    if (isLost && prng.chance(0.2)) {
      this.tell(later, "not-applied");
      return later;
    }
    if (!isLost || prng.chance(0.7)) deliver(later, this.#delay());
    if (isLost) this.tell(later, "unknown");
    if (prng.chance(repeatChance)) {
      this.#counts.add("call delivered twice");
      deliver(later, this.#delay(0.5));
    }
    return later;
  }

  get #faults(): WayFaults {
    return this.#interleaver.isHealed ? noFaults : this.#whileSick;
  }

  /** The caller learns that there will be no answer. */
  tell(later: LaterReply, outcome: "unknown" | "not-applied"): void {
    const steps = this.#prng.chance(0.3) ? this.#prng.below(this.#faults.delayStepsMost) : 0;
    this.#interleaver.enlist(() => later.give(this.#lost(outcome)), steps);
  }

  #delay(chance = this.#faults.delayChance): number {
    const steps = this.#prng.chance(chance) ? this.#prng.below(this.#faults.delayStepsMost) : 0;
    if (steps > 0) this.#counts.add("call or answer late");
    return steps;
  }
}
