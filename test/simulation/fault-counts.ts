// How often what went wrong in one seed of a simulated store. It is counted where it is done to the
// store, never from the plan: what does not come to happen counts nothing.

import type { Design } from "./plants/plant.ts";

/** Something that can go wrong. */
interface Kind {
  /** By which tests name such faults: `F2`. */
  readonly class: string;
  /** Where it can happen. */
  readonly designs: readonly Design[];
}

const everywhere: readonly Design[] = ["direct", "central", "clover"];
const served: readonly Design[] = ["central", "clover"];

/** What can go wrong, by name. */
export const faults = {
  "client killed": { class: "F2", designs: everywhere },
  "client killed in the middle of a round": { class: "F2", designs: ["direct", "clover"] },
  "power fails under way": { class: "F3", designs: everywhere },
  "power fails at the end": { class: "F3", designs: everywhere },
  "flush slow": { class: "F3", designs: everywhere },
  "call or answer lost": { class: "F6", designs: served },
  "call delivered twice": { class: "F6", designs: served },
  "call or answer late": { class: "F6", designs: served },
  "connection breaks": { class: "F6", designs: everywhere },
  "connection cut for a while": { class: "F6", designs: everywhere },
  "connection clogged": { class: "F6", designs: everywhere },
  "requests do not arrive": { class: "F6", designs: everywhere },
  "replies do not arrive": { class: "F6", designs: everywhere },
  "memory node slow": { class: "F6", designs: everywhere },
  "all heals, and everybody must get on": { class: "F6", designs: everywhere },
  "caller leaves early": { class: "F6", designs: everywhere },
  "client cut off from the metadata server": { class: "F8", designs: served },
  "metadata server dies": { class: "F8", designs: served },
  "embedded metadata service dies": { class: "F8", designs: served },
  "coordinator killed": { class: "F8", designs: ["central"] },
  "coordinator killed in the middle of a round": { class: "F8", designs: ["central"] },
  "operation finds no space": { class: "F9", designs: everywhere },
  "somebody waits longer than others": { class: "F10", designs: everywhere },
  "given up alive": { class: "F10", designs: everywhere },
} as const satisfies Readonly<Record<string, Kind>>;

export type Fault = keyof typeof faults;

/** Those of one seed. */
export class FaultCounts {
  readonly #counts = new Map<Fault, number>();

  /** It happens now. */
  add(fault: Fault): void {
    this.#counts.set(fault, this.of(fault) + 1);
  }

  /** Somebody is killed now; `isMidway` when a round of its is applied in part. */
  killed(who: "client" | "coordinator", isMidway: boolean): void {
    this.add(`${who} killed`);
    if (isMidway) this.add(`${who} killed in the middle of a round`);
  }

  /** How often it happened so far. */
  of(fault: Fault): number {
    return this.#counts.get(fault) ?? 0;
  }
}
