import { Prng, systemClock } from "@pdpm/base";
import { Store } from "@pdpm/kv";
import { kvContract } from "@pdpm/kv/contract";
import { DirectBackend, membersServer, nodeServer, Session } from "@pdpm/direct";
import { ArrayMemory, ChunkMap, Router, Runner } from "@pdpm/verbs";
import { ArrayFabric } from "@pdpm/verbs/array-fabric";
import { bytesCodec } from "../../packages/client/src/codecs.ts";

for (const late of [false, true]) {
  kvContract(`direct scratch ${late ? "late" : "at once"}`, async () => {
    const chunkBytes = 2 ** 22;
    const node = new ArrayFabric(new ArrayMemory(2 ** 26 * 4, 4096 + chunkBytes)) as any;
    const fabric = late
      ? { post: (r: any) => new Promise((res) => setImmediate(() => res(node.post(r)))), extend: (n: number) => node.extend(n), close: () => node.close() }
      : node;
    let id = 0;
    return {
      open: async () => {
        id += 1;
        const chunks = new ChunkMap(chunkBytes);
        const servers = new Map<string, any>([
          [membersServer, () => ({ alive: true, who: "x" })],
          [nodeServer(0), (r: any) => node.extend(r.extend)],
        ]);
        const router = new Router(systemClock, chunks, [fabric], servers);
        const runner = new Runner(router, systemClock);
        const session = new Session({ clientId: id, chunks, nodeCount: 1, chunksMost: 100, durability: "power", cursorsMost: 1e6, prng: new Prng(id), running: () => runner.running() } as any);
        return new Store(new DirectBackend(session, runner, systemClock), bytesCodec);
      },
      teardown: async () => {},
    };
  });
}
