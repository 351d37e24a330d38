// The memory nodes of a cluster: connected side by side, and claimed for one store if they are
// blank.

import { type Clock, PdpmError, Prng } from "@pdpm/base";
import type { CounterTable } from "@pdpm/verbs";
import { ClusterNode } from "./cluster-node.ts";
import { type FoundLabel, labelNode, newStoreId } from "./label-nodes.ts";
import { labelOfNew } from "./new-store.ts";
import type { CheckedOptions } from "./options.ts";
import type { ServerAddress } from "./url.ts";

/** Connects to all of them, or to none. Rejects with the first failure. */
export async function connectAll(
  servers: readonly ServerAddress[],
  clock: Clock,
  timeoutMs: number,
  onFenced: () => void,
): Promise<ClusterNode[]> {
  const attempts = await Promise.allSettled(
    servers.map((server) => ClusterNode.connect(server, clock, timeoutMs, onFenced)),
  );
  const nodes: ClusterNode[] = [];
  let failure: unknown;
  for (const attempt of attempts) {
    if (attempt.status === "fulfilled") nodes.push(attempt.value);
    else failure ??= attempt.reason;
  }
  if (failure === undefined) return nodes;
  await Promise.all(nodes.map((node) => node.close()));
  throw failure;
}

/** The nodes in the order of their ids, all of one store; blank ones are claimed for it first. */
export async function labelCluster<V>(
  connected: readonly ClusterNode[],
  counters: CounterTable,
  options: CheckedOptions<V>,
): Promise<{ nodes: ClusterNode[]; label: FoundLabel }> {
  const byAddress = [...connected].sort((a, b) => (a.address.text < b.address.text ? -1 : 1));
  const isBlank = connected.some(({ label }) => label === undefined);
  const labels = new Map<ClusterNode, FoundLabel>();
  const known = connected.find(({ label }) => label !== undefined)?.label;
  if (known !== undefined && known.label.nodeCount !== connected.length) {
    throw wrong(
      `the store has ${known.label.nodeCount} memory nodes, the URL lists ${connected.length}`,
    );
  }
  let storeId = known?.storeId ?? newStoreId(Prng.random());
  const wanted = known?.label ?? labelOfNew(options, connected.length);
  for (const [nodeId, node] of byAddress.entries()) {
    let label = node.label;
    if (label === undefined) {
      // Only a blank node needs verbs before there is a client; this id is for that alone.
      await node.ws.admit();
      label = await labelNode(counters, node.ws, { storeId, label: { ...wanted, nodeId } });
    }
    if (label === undefined) throw wrong(`${node.address.text} could not be claimed`);
    // Whoever claimed node 0 first has named the store.
    if (nodeId === 0 && isBlank) storeId = label.storeId;
    labels.set(node, label);
  }
  for (const [node, { storeId: found }] of labels) {
    if (found !== storeId) throw wrong(`${node.address.text} belongs to another store`);
  }
  const idOf = (node: ClusterNode): number => labels.get(node)?.label.nodeId ?? -1;
  const nodes = [...connected].sort((a, b) => idOf(a) - idOf(b));
  if (nodes.some((node, i) => idOf(node) !== i)) throw wrong("the URL lists a memory node twice");
  return { nodes, label: labels.get(nodes[0] as ClusterNode) as FoundLabel };
}

function wrong(text: string): PdpmError {
  return new PdpmError("PDPM_WRONG_STORE", text);
}
