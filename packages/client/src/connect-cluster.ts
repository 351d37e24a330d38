// A client of a cluster. For Direct the URL lists the memory nodes in any order; a blank cluster
// becomes a store of that design, with the node of the smallest address as node 0.

import { PdpmError, systemClock } from "@pdpm/base";
import { CounterTable } from "@pdpm/verbs";
import { connectAll, labelCluster } from "./cluster.ts";
import { ClusterMembership } from "./cluster-membership.ts";
import { DirectClient } from "./direct-client.ts";
import { mismatch } from "./new-store.ts";
import { type CheckedOptions, cursorsDefault } from "./options.ts";
import type { ServerAddress } from "./url.ts";

/** The client behind `connect`. */
export async function connectCluster<V>(
  servers: readonly ServerAddress[],
  options: CheckedOptions<V>,
): Promise<DirectClient> {
  const clock = systemClock;
  let client: DirectClient | undefined;
  const onFenced = (): void => client?.fenced();
  const connected = await connectAll(servers, clock, options.timeoutMs, onFenced);
  const end = async (): Promise<void> => {
    await Promise.all(connected.map((node) => node.close()));
  };
  try {
    const counters = new CounterTable();
    const { nodes, label } = await labelCluster(connected, counters, options);
    const reason = mismatch(options, label.label);
    if (reason !== null) throw new PdpmError("PDPM_WRONG_STORE", reason);
    for (const node of nodes) node.map(clock, options.transport);
    client = await DirectClient.open({
      clock,
      label: label.label,
      nodes: nodes.map(({ fabric }) => fabric),
      membership: new ClusterMembership(clock, nodes),
      cursors: options.cursors ?? cursorsDefault,
      timeoutMs: options.timeoutMs,
      counters,
      end,
    });
    return client;
  } catch (error) {
    await end();
    throw error;
  }
}
