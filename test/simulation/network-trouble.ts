// A connection between a client and a memory node fails, in one of the ways in which connections
// do: it breaks, or is cut for a while, or is one way only, or everything on it waits; or the node
// is slow for everybody.

import type { Prng } from "@pdpm/base";
import type { Interleaver, SimulatedClient } from "@pdpm/simulator";
import type { FaultCounts } from "./fault-counts.ts";
import { pick } from "./plan-parts.ts";

const ways = ["break", "break", "cut", "clog", "deaf", "mute", "slow"] as const;
const names = {
  break: "connection breaks",
  cut: "connection cut for a while",
  clog: "connection clogged",
  deaf: "requests do not arrive",
  mute: "replies do not arrive",
  slow: "memory node slow",
} as const;
/** How long it lasts, in micro-steps: a round, or many operations. */
const lasting = [100, 1000] as const;
/** Micro-steps that a slow node takes for one. */
const slowFactor = 20;

/** Troubles the connection of `client` to one of `nodes` nodes. */
export function troubleNetwork(
  world: {
    readonly interleaver: Interleaver;
    readonly prng: Prng;
    readonly faultCounts: FaultCounts;
  },
  client: SimulatedClient,
  nodes: number,
): void {
  const { interleaver, prng, faultCounts } = world;
  const node = prng.below(nodes);
  const steps = 1 + prng.below(pick(prng, lasting));
  const way = pick(prng, ways);
  faultCounts.add(names[way]);
  if (way === "break") interleaver.disconnect(client, node);
  else if (way === "cut") interleaver.cut(client, node, steps);
  else if (way === "clog") interleaver.clog(client, node, steps);
  else if (way === "deaf") interleaver.deafen(client, node, steps);
  else if (way === "mute") interleaver.mute(client, node, steps);
  else interleaver.slow(node, steps, slowFactor);
}
