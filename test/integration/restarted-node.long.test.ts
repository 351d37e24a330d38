// A memory node that is killed under load and started again, in stores with a server (H19). Clients
// and server reach it over ws, so it refuses every id that it knew: each goes on by itself under
// another one, the coordinator of a Central store too. What was acknowledged is there, what failed
// had the outcome that its error says, and nobody has to start anything but the node.

import { isPdpmError } from "@pdpm/base";
import { connect, type Store } from "pdpm";
import { expect, test } from "vitest";
import { startNode } from "../support/memory-nodes.ts";
import { Scene } from "../support/processes.ts";
import { soon } from "../support/soon.ts";
import { Running } from "./cli-runs.ts";

const scene = new Scene();
const writersCount = 8;
/** Everybody has gone on by then. Milliseconds. */
const goneOnMs = 30_000;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** A store on two memory nodes, its server the command `pdpm`. */
async function cluster(verb: "metadata-server" | "coordinator") {
  const dirs = [await scene.directory("memory"), await scene.directory("memory")];
  const nodes = await Promise.all(dirs.map((dir) => startNode(scene, dir)));
  const hosts = nodes.map(({ host }) => host);
  const restart = async (i: number): Promise<void> => {
    await nodes[i]?.child.kill();
    await pause(300);
    const port = Number(new URL(`ws://${hosts[i]}`).port);
    nodes[i] = await startNode(scene, dirs[i] as string, { port });
  };
  const words = ["--memory-nodes", hosts.map((host) => `ws://${host}`).join(",")];
  words.push("--dir", await scene.directory("memory"), "--transport", "ws");
  const server = new Running(scene, [verb, ...words]);
  const url = (await server.firstLine()).replace("ws://", "pdpm://");
  return { url, server, restart };
}

/** Puts one number after the other to a key of its own. */
class Writer {
  readonly key: string;
  /** The last one that was acknowledged, and those after it that may have taken effect. */
  acknowledged = 0;
  readonly #perhaps = new Set<number>();
  readonly #store: Store<unknown>;
  #isOn = true;
  #running: Promise<void>;

  constructor(store: Store<unknown>, name: number) {
    this.#store = store;
    this.key = `key ${name}`;
    this.#running = this.#run();
  }

  /** It has had something acknowledged that it began after now. */
  async goesOn(): Promise<void> {
    const { acknowledged } = this;
    const end = performance.now() + goneOnMs;
    while (this.acknowledged < acknowledged + 2) {
      expect(performance.now(), `${this.key} stands at ${acknowledged}`).toBeLessThan(end);
      await pause(5);
    }
  }

  async end(): Promise<readonly number[]> {
    this.#isOn = false;
    await this.#running;
    return [this.acknowledged, ...this.#perhaps];
  }

  async #run(): Promise<void> {
    for (let n = 1; this.#isOn; n += 1) {
      try {
        await this.#store.put(this.key, n, { timeoutMs: 2000 });
        this.acknowledged = n;
        this.#perhaps.clear();
      } catch (error) {
        if (!isPdpmError(error)) throw error;
        if (error.outcome === "unknown") this.#perhaps.add(n);
        // Between attempts to reach a node that is away, posts fail at once.
        await pause(5);
      }
    }
  }
}

for (const verb of ["metadata-server", "coordinator"] as const) {
  test(`${verb}: after each memory node was killed and started again writes go on, and all that was acknowledged is there`, async () => {
    const { url, server, restart } = await cluster(verb);
    const options = { codec: "json", transport: "ws" } as const;
    const stores = [await connect(url, options), await connect(url, options)];
    for (const store of stores) scene.after(() => store.close({ timeoutMs: 1000 }));
    const old = Array.from({ length: 200 }, (_, i) => `old ${i}`);
    for (const key of old) await stores[0]?.put(key, key);
    const writers = Array.from(
      { length: writersCount },
      (_, i) => new Writer(stores[i % 2] as Store<unknown>, i),
    );
    for (const i of [1, 0, 1]) {
      await pause(200);
      await restart(i);
      for (const writer of writers) await writer.goesOn();
    }
    const ends = await Promise.all(writers.map((writer) => writer.end()));
    const reader = await connect(url, options);
    scene.after(() => reader.close({ timeoutMs: 1000 }));
    const found = (key: string): Promise<unknown> => soon(10_000, () => reader.get(key));
    for (const [i, { key }] of writers.entries()) expect(ends[i]).toContain(await found(key));
    for (const key of old) expect(await found(key)).toBe(key);
    server.signal("SIGTERM");
    const { code, stderr } = await server.end();
    expect(code).toBe(0);
    if (verb !== "coordinator") return;
    const coordinators = [...stderr.matchAll(/coordinator (\d+) is in office/g)].map(
      ([, id]) => id,
    );
    expect(coordinators.length).toBeGreaterThanOrEqual(1);
    expect(new Set(coordinators).size).toBe(coordinators.length);
  });
}
