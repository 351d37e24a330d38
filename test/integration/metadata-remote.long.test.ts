// A metadata service behind a server that is stopped, killed and started again, over real LMDB
// files: what its clients are told, and that a change takes effect once however often it is
// delivered (H15).

import { createServer } from "node:net";
import { join } from "node:path";
import { Prng, systemClock } from "@pdpm/base";
import type { ChunkTableReply } from "@pdpm/metadata-server/protocol";
import { RemoteService } from "@pdpm/metadata-server/remote";
import { expect, test } from "vitest";
import { LossyProxy, portOf } from "../../packages/metadata-server/src/contract-sockets.ts";
import { type Child, Scene } from "../support/processes.ts";

const scene = new Scene();

/** A metadata server without housekeeping: the service, its store, and the listener. */
const serving = `
  const { openLmdbStore } = await import("@pdpm/metadata-server/lmdb-store");
  const { MetadataService } = await import("@pdpm/metadata-server");
  const { Listener } = await import("@pdpm/metadata-server/listener");
  const { wireVersion } = await import("@pdpm/metadata-server/wire");
  const { Turnstile } = await import("@pdpm/transport-mapped");
  const { Prng } = await import("@pdpm/base");
  const store = await openLmdbStore({
    path: given.path,
    durability: "process",
    storeId: 7n,
    mayCreate: true,
    gate: new Turnstile({ clock: systemClock, path: given.path + "-locks", timeoutMs: 20_000 }),
  });
  const service = new MetadataService({
    store,
    clock: systemClock,
    prng: Prng.random(),
    label: { chunkBytes: 2 ** 22, chunksMost: 5, nodeCount: 1 },
    regionHeaderBytes: 4096,
  });
  const listener = await Listener.start({
    at: { host: "127.0.0.1", port: given.port },
    clock: systemClock,
    hello: {
      protocol: wireVersion, storeId: "0000000000000007", design: "clover", pid: process.pid,
      features: [], credential: "", memoryNodes: [],
    },
    handle: (request) => service.handle(request),
  });
  say(listener.url);
`;

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });

/** A server process that can be ended and begun again at one address. */
class Served {
  url = "";
  child!: Child;
  readonly #given: { readonly path: string; readonly port: number };

  private constructor(path: string, port: number) {
    this.#given = { path, port };
  }

  static async start(): Promise<Served> {
    const path = join(await scene.directory("memory"), "metadata");
    const served = new Served(path, await freePort());
    await served.begin();
    return served;
  }

  async begin(): Promise<void> {
    this.child = scene.start(serving, { given: this.#given });
    this.url = await this.child.line<string>();
  }
}

async function reach(url: string, timeoutMs: number): Promise<RemoteService> {
  const remote = await RemoteService.connect({
    url,
    clock: systemClock,
    prng: new Prng("remote"),
    timeoutMs,
  });
  scene.after(() => remote.close());
  return remote;
}

let sequence = 0;
const changeOf = (change: object): object => {
  sequence += 1;
  return { ticket: { client: 3, slot: 0, sequence }, change };
};
const enter = (): object => changeOf({ do: "enter", pid: process.pid, kind: "pulse" });
const pressureOf = async (remote: RemoteService): Promise<number> =>
  ((await remote.call({ ask: "table" }, true)) as ChunkTableReply).pressure;

test("a stopped server: PDPM_UNAVAILABLE at the deadline, and it goes on where it was stopped", async () => {
  const served = await Served.start();
  const short = await reach(served.url, 300);
  const patient = await reach(served.url, 30_000);
  await short.call(enter(), true);
  served.child.signal("SIGSTOP");
  const began = performance.now();
  await expect(short.call({ ask: "table" }, true)).rejects.toMatchObject({
    code: "PDPM_UNAVAILABLE",
    outcome: "unknown",
  });
  expect(performance.now() - began).toBeLessThan(5000);
  const press = patient.call(changeOf({ do: "press" }), true);
  await new Promise((resolve) => setTimeout(resolve, 200));
  served.child.signal("SIGCONT");
  await press;
  expect(await pressureOf(short)).toBe(1);
});

test("changes over a connection that loses replies, and a server that is killed, happen once each", async () => {
  const served = await Served.start();
  const proxy = await LossyProxy.start(portOf(served.url));
  scene.after(async () => proxy.cut());
  const remote = await reach(proxy.url, 60_000);
  await remote.call(enter(), true);
  const presses = 60;
  for (let press = 0; press < presses; press += 1) {
    // Its reply is lost, after whatever the server has done by then.
    const isHarmed = press % 3 === 0;
    if (isHarmed) proxy.passesReplies = false;
    const pressing = remote.call(changeOf({ do: "press" }), true);
    if (isHarmed) {
      await new Promise((resolve) => setTimeout(resolve, press % 30));
      const isKilled = press % 12 === 0;
      if (isKilled) await served.child.kill();
      proxy.passesReplies = true;
      proxy.cut();
      if (isKilled) await served.begin();
    }
    await pressing;
  }
  expect(await pressureOf(remote)).toBe(presses);
  expect(proxy.count).toBeGreaterThan(8);
});

test("after close nothing keeps the process alive, with a server or without", async () => {
  const served = await Served.start();
  const script = `
    const { RemoteService } = await import("@pdpm/metadata-server/remote");
    const { Prng } = await import("@pdpm/base");
    const remote = await RemoteService.connect({
      url: given.url, clock: systemClock, prng: Prng.random(), timeoutMs: 60_000,
    });
    say("connected");
    const hanging = remote.call({ ask: "table" }, true).catch((error) => error.code);
    if (given.waits) await sleep(systemClock, 1500);
    await remote.close();
    say(await hanging);
  `;
  const before = scene.start(script, { given: { url: served.url }, listens: false });
  expect(await before.line()).toBe("connected");
  expect(await before.end(10_000)).toEqual({ code: 0, signal: null });
  const during = scene.start(script, { given: { url: served.url, waits: true }, listens: false });
  expect(await during.line()).toBe("connected");
  await served.child.kill();
  expect(await during.end(10_000)).toEqual({ code: 0, signal: null });
});
