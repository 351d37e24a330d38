// connect(url): a networked store. What reaches the nodes (connect-cluster.ts, and ws behind it) is
// loaded on the first call, so that programs which only open directories do not pay for it.

import { Store } from "@pdpm/kv";
import type { CodecName, NamedValues } from "./codecs.ts";
import type { OpenClient } from "./open-client.ts";
import { type CheckedOptions, type ClientOptions, clientOptions } from "./options.ts";
import { requireLinux } from "./platform.ts";
import { parseUrl, type ServerAddress, type StoreUrl } from "./url.ts";

/**
 * Connects to the store at `url`; blank memory nodes become one.
 *
 * @throws PDPM_INVALID_ARGUMENT for a bad URL or option; PDPM_UNAVAILABLE when a node does not
 * answer;
 *   PDPM_WRONG_STORE when the nodes are not all of one store, or not of this design.
 */
export function connect<N extends CodecName>(
  url: string,
  options: Omit<ClientOptions, "codec"> & { readonly codec: N },
): Promise<Store<NamedValues[N]>>;
export function connect<V = Uint8Array>(url: string, options?: ClientOptions<V>): Promise<Store<V>>;
export async function connect<V>(url: string, options: ClientOptions<V> = {}): Promise<Store<V>> {
  requireLinux();
  const checked = clientOptions(options, "connect");
  const client = await connectDesign(parseUrl(url, checked.design), checked);
  return new Store(client.backend, checked.codec, { timeoutMs: checked.timeoutMs });
}

/** The client of the store's own design; the others' code is not loaded. */
async function connectDesign(
  { design, servers }: StoreUrl,
  options: CheckedOptions<unknown>,
): Promise<OpenClient> {
  if (design === "direct") {
    const { connectCluster } = await import("./connect-cluster.ts");
    return connectCluster(servers, options);
  }
  const { connectMetadata } = await import("./connect-metadata.ts");
  return connectMetadata(servers[0] as ServerAddress, { ...options, design });
}
