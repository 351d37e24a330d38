// A client of a store with a metadata server: its one URL names that server, which knows the memory
// nodes. Clover's clients reach those themselves; Central's leave everything to the coordinator.

import { PdpmError, Prng, systemClock } from "@pdpm/base";
import { CentralBackend } from "@pdpm/central";
import { RemoteService } from "@pdpm/metadata-server/remote";
import { CounterTable } from "@pdpm/verbs";
import { CloverClient } from "./clover-client.ts";
import { connectAll, labelCluster } from "./cluster.ts";
import { ClusterMembership } from "./cluster-membership.ts";
import { misfit, mismatch } from "./new-store.ts";
import { noHousekeeping, type OpenClient } from "./open-client.ts";
import { type CheckedOptions, cursorsDefault } from "./options.ts";
import { parseUrl, type ServerAddress } from "./url.ts";

/** The client behind `connect` for Clover and Central. */
export async function connectMetadata<V>(
  server: ServerAddress,
  options: CheckedOptions<V>,
): Promise<OpenClient> {
  const { timeoutMs } = options;
  const remote = await RemoteService.connect({
    url: `ws://${server.text}`,
    clock: systemClock,
    prng: Prng.random(),
    timeoutMs,
  });
  try {
    const { hello } = remote;
    const reason = misfit(options, hello.design);
    if (reason !== null) throw new PdpmError("PDPM_WRONG_STORE", reason);
    if (hello.design === "central") return await connectCentral(remote, options);
    return await connectClover(remote, options);
  } catch (error) {
    await remote.close();
    throw error;
  }
}

/** Everything goes to the coordinator. A request is sent once: see CentralBackendParts. */
async function connectCentral<V>(
  remote: RemoteService,
  { timeoutMs }: CheckedOptions<V>,
): Promise<OpenClient> {
  const backend = await CentralBackend.open(
    {
      clock: systemClock,
      prng: Prng.random(),
      coordinator: (request) => remote.call(request, false),
      clientId: process.pid,
      counters: new CounterTable(),
      leave: () => remote.close(),
    },
    timeoutMs,
  );
  return { backend, housekeeping: noHousekeeping };
}

async function connectClover<V>(
  remote: RemoteService,
  options: CheckedOptions<V>,
): Promise<CloverClient> {
  const { hello } = remote;
  const clock = systemClock;
  const { timeoutMs, transport, cursors = cursorsDefault, eviction } = options;
  let client: CloverClient | undefined;
  const onFenced = (): void => client?.fenced();
  const { servers } = parseUrl(nodesUrl(hello.memoryNodes), "direct");
  const connected = await connectAll(servers, clock, timeoutMs, onFenced);
  const closeNodes = async (): Promise<void> => {
    await Promise.all(connected.map((node) => node.close()));
  };
  try {
    const counters = new CounterTable();
    if (connected.some(({ label }) => label === undefined)) throw wrong("a memory node is blank");
    const { nodes, label } = await labelCluster(connected, counters, options);
    if (label.storeId !== BigInt(`0x${hello.storeId}`)) {
      throw wrong("its memory nodes belong to another store");
    }
    const reason = mismatch(options, label.label);
    if (reason !== null) throw wrong(reason);
    for (const node of nodes) node.map(clock, transport);
    client = await CloverClient.open({
      clock,
      label: label.label,
      nodes: nodes.map(({ fabric }) => fabric),
      metadata: (request) => remote.call(request, true),
      membership: new ClusterMembership(clock, nodes),
      looks: false,
      pulse: (clientId) => remote.pulse(clientId),
      cursors,
      eviction,
      timeoutMs,
      counters,
      end: async () => {
        await closeNodes();
        await remote.close();
      },
    });
    return client;
  } catch (error) {
    await closeNodes();
    throw error;
  }
}

/** The memory nodes as a URL lists them. */
export function nodesUrl(urls: readonly string[]): string {
  return `pdpm://${urls.map((url) => url.replace(/^ws:\/\//, "")).join(",")}?design=direct`;
}

function wrong(text: string): PdpmError {
  return new PdpmError("PDPM_WRONG_STORE", text);
}
