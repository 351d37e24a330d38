// A connection between a client and a memory node fails, in one of the ways in which connections
// do: it breaks, or is cut for a while, or is one way only, or everything on it waits; or the node
// is slow for everybody.

import type { Prng } from "@pdpm/base";
import type { Interleaver, SimulatedClient } from "@pdpm/simulator";
import { pick } from "./plan-parts.ts";

const ways = ["break", "break", "cut", "clog", "deaf", "mute", "slow"] as const;
/** How long it lasts, in micro-steps: a round, or many operations. */
const lasting = [100, 1000] as const;
/** Micro-steps that a slow node takes for one. */
const slowFactor = 20;

/** Troubles the connection of `client` to one of `nodes` nodes. */
export function troubleNetwork(
  { interleaver, prng }: { readonly interleaver: Interleaver; readonly prng: Prng },
  client: SimulatedClient,
  nodes: number,
): void {
  const node = prng.below(nodes);
  const steps = 1 + prng.below(pick(prng, lasting));
  const way = pick(prng, ways);
  if (way === "break") interleaver.disconnect(client, node);
  else if (way === "cut") interleaver.cut(client, node, steps);
  else if (way === "clog") interleaver.clog(client, node, steps);
  else if (way === "deaf") interleaver.deafen(client, node, steps);
  else if (way === "mute") interleaver.mute(client, node, steps);
  else interleaver.slow(node, steps, slowFactor);
}
