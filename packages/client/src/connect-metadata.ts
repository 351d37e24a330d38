// A client of a cluster with a metadata server.
import { PdpmError } from "@pdpm/base";
import type { OpenClient } from "./open-client.ts";
import type { CheckedOptions } from "./options.ts";
import type { ServerAddress } from "./url.ts";
export async function connectMetadata<V>(
  server: ServerAddress,
  _options: CheckedOptions<V>,
): Promise<OpenClient> {
  throw new PdpmError("PDPM_UNAVAILABLE", `${server.text} does not answer`);
}
