// Liveness. In some seeds all that goes wrong ends at some step: the network is whole, nobody dies
// or is given up any more, nothing is slow. What must hold from then on: no operation fails any
// more for what went wrong before, and all have ended within a bounded number of micro-steps.
// Housekeeping goes on as always, for it is what heals the rest.

import { hold, type Prng } from "@pdpm/base";
import { everythingEnds } from "@pdpm/checker";
import type { Interleaver } from "@pdpm/simulator";
import type { FaultCounts } from "./fault-counts.ts";

/** Until then what was under way may still fail. */
const graceSteps = 5000;
/** Within these everything has ended: a hundred times what a sound operation takes. */
const liveSteps = 300_000;

/** When a plan's faults end; undefined: never, but for the end of the run. */
export function drawHealsAt(prng: Prng): number | null {
  return prng.chance(0.3) ? 100 + prng.below(3000) : null;
}

/** What is healed. */
export interface HealingWorld {
  readonly interleaver: Interleaver;
  readonly faultCounts: FaultCounts;
}

/** The healing of one run. */
export class Healing {
  readonly #interleaver: Interleaver;
  readonly #faultCounts: FaultCounts;
  #healedAt: number | undefined;

  constructor({ interleaver, faultCounts }: HealingWorld) {
    this.#interleaver = interleaver;
    this.#faultCounts = faultCounts;
  }

  /** Heals at that step, if ever. */
  begin(healsAt: number | null): void {
    if (healsAt === null) return;
    this.#interleaver.enlist(() => {
      this.#healedAt = this.#interleaver.steps;
      this.#interleaver.heal();
      this.#faultCounts.add("all heals, and everybody must get on");
    }, healsAt);
  }

  get isHealed(): boolean {
    return this.#healedAt !== undefined;
  }

  /** Nothing fails for a reason any more that has passed. */
  get isSound(): boolean {
    const { steps } = this.#interleaver;
    return this.#healedAt !== undefined && steps > this.#healedAt + graceSteps;
  }

  /** Everybody's operations have ended. */
  ended(): void {
    const { steps } = this.#interleaver;
    const took = steps - (this.#healedAt ?? steps);
    const isLate = took > liveSteps;
    hold(everythingEnds(isLate ? [`it took ${took} micro-steps after all was healed`] : []));
  }
}
