// A TCP proxy in front of a memory node that makes it look like one of another host: its hello
// names another boot id. Who connects through it cannot map the node, and takes ws instead,
// whatever else it can map.

import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import type { Scene } from "./processes.ts";

/** In the hello's JSON; another text of the same length takes its place, so no frame changes. */
const bootId = /(?<="bootId":")[^"]+/;

/** Starts one in front of `targetHost` that lives as long as the test. Returns its own host. */
export async function lookElsewhere(scene: Scene, targetHost: string): Promise<string> {
  const { hostname, port } = new URL(`tcp://${targetHost}`);
  const server = createServer((client) => {
    const node = connect({ host: hostname, port: Number(port), noDelay: true });
    client.setNoDelay(true);
    client.pipe(node);
    node.on("data", (bytes: Buffer) => {
      const text = bytes.toString("latin1");
      client.write(
        text.replace(bootId, (found) => "0".repeat(found.length)),
        "latin1",
      );
    });
    // Either end takes the other with it.
    for (const [one, other] of [
      [client, node],
      [node, client],
    ] as const) {
      one.on("error", () => other.destroy());
      one.on("close", () => other.destroy());
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  scene.after(async () => void server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}
