// How a client ends: by close(), by itself when nobody closes it, with work in flight, and beside
// other clients of the same process.

import { isPdpmError } from "@pdpm/base";
import { open } from "pdpm";
import { expect, test } from "vitest";
import { startNode, urlOf } from "../support/memory-nodes.ts";
import { Scene, within } from "../support/processes.ts";

const scene = new Scene();

const reaches = {
  "an embedded store": async () => ({ directory: await scene.directory("memory") }),
  "memory nodes over ws": async () => {
    const { host } = await startNode(scene, await scene.directory("memory"));
    return { url: urlOf(host), options: { transport: "ws" } };
  },
};

for (const [what, reach] of Object.entries(reaches)) {
  test(`a process that closes ${what} ends by itself within 2 s`, async () => {
    const child = scene.start(
      `
      const store = await openStore();
      await store.put("k", new Uint8Array(10));
      await store.get("k");
      await store.close();
      say("closed");
      `,
      { given: await reach(), listens: false },
    );
    expect(await child.line()).toBe("closed");
    expect(await child.end(2000)).toEqual({ code: 0, signal: null });
  });
}

test("a process that never closes an embedded store ends by itself, and the next finds all it put", async () => {
  const directory = await scene.directory("memory");
  const child = scene.start(
    `
    const store = await openStore();
    for (let i = 0; i < 100; i += 1) await store.put("k " + i, new Uint8Array(100).fill(i));
    await sleep(systemClock, 700);
    say("done");
    `,
    { given: { directory }, listens: false },
  );
  expect(await child.line()).toBe("done");
  expect(await child.end(2000)).toEqual({ code: 0, signal: null });
  const store = await open(directory);
  scene.after(() => store.close());
  for (let i = 0; i < 100; i += 1) {
    expect(await store.get(`k ${i}`)).toEqual(new Uint8Array(100).fill(i));
  }
});

test("every use after close is PDPM_CLOSED, and closing again does nothing", async () => {
  const store = await open(await scene.directory("memory"));
  const value = new Uint8Array(8);
  await store.put("k", value);
  await Promise.all([store.close(), store.close()]);
  await store.close();
  expect(store.closed).toBe(true);
  const uses: readonly (() => Promise<unknown>)[] = [
    () => store.get("k"),
    () => store.getEntry("k"),
    () => store.has("k"),
    () => store.put("k", value),
    () => store.delete("k"),
    () => store.update("k", () => value),
    () => store.increment("n"),
    () => store.getMany(["k"]),
    () => store.putMany([["k", value]]),
    () => store.deleteMany(["k"]),
    () => store.getInto("k", value),
    () => store.getManyInto(["k"], [value]),
    () => store.keys().next(),
    () => store.entries().next(),
    () => store.stats(),
  ];
  for (const use of uses) {
    const failure = await use().catch((error: unknown) => error);
    expect(failure, String(use)).toMatchObject({ code: "PDPM_CLOSED", outcome: "not-applied" });
  }
  expect(store.counters().operations["put"]?.operations).toBe(1);
});

for (const on of ["disk", "memory"] as const) {
  test(`close settles 100 puts that are in flight: on ${on}, what was acknowledged is there`, async () => {
    const directory = await scene.directory(on);
    const store = await open(directory, { codec: "utf8" });
    // Some keys twice: those wait behind each other in the client.
    const puts = Array.from({ length: 100 }, (_, i) => store.put(`k ${i % 80}`, `value ${i}`));
    const settled = Promise.allSettled(puts);
    await within(10_000, "close", () => store.close());
    const ends = await within(100, "the puts", () => settled);
    const acknowledged = new Map<string, string[]>();
    for (const [i, end] of ends.entries()) {
      const key = `k ${i % 80}`;
      if (end.status === "fulfilled") {
        acknowledged.set(key, [...(acknowledged.get(key) ?? []), `value ${i}`]);
      } else {
        expect(isPdpmError(end.reason), String(end.reason)).toBe(true);
        expect(end.reason).toMatchObject({ code: "PDPM_CLOSED", outcome: "not-applied" });
      }
    }
    console.log(`close on ${on}: ${acknowledged.size} of 80 keys were acknowledged`);
    expect(acknowledged.size).toBeGreaterThan(0);
    const again = await open(directory, { codec: "utf8" });
    scene.after(() => again.close());
    for (let i = 0; i < 80; i += 1) {
      const found = await again.get(`k ${i}`);
      expect(found, `k ${i}`).toBe(acknowledged.get(`k ${i}`)?.at(-1));
    }
    await again.put("k 0", "after");
  });
}

test("two clients of one process and one of a worker thread share a directory, and end apart", async () => {
  const directory = await scene.directory("memory");
  const child = scene.start(
    `
    const { Worker } = await import("node:worker_threads");
    const [one, two] = [await openStore({ codec: "json" }), await openStore({ codec: "json" })];
    const worker = new Worker(
      \`
      import { parentPort, workerData } from "node:worker_threads";
      import { open } from "pdpm";
      const store = await open(workerData, { codec: "json" });
      for (let i = 0; i < 500; i += 1) await store.increment("n");
      await store.put("of the worker", (await store.stats()).clientId);
      await store.close();
      parentPort.postMessage("done");
      \`,
      { eval: true, workerData: given.directory },
    );
    const over = new Promise((resolve, reject) => worker.on("exit", resolve).on("error", reject));
    for (let i = 0; i < 500; i += 1) {
      await Promise.all([one.increment("n"), two.increment("n")]);
      if (i % 20 === 0) await sleep(systemClock, 1);
    }
    const exit = await over;
    const ids = [(await one.stats()).clientId, (await two.stats()).clientId];
    ids.push(await one.get("of the worker"));
    await one.close();
    // The directory stays in use: the other client has its own lock, lease and mapping.
    await two.put("late", 1);
    say({ sum: await two.get("n"), ids, exit, late: await two.get("late") });
    await two.close();
    `,
    { given: { directory }, listens: false },
  );
  const said = await child.line<{ sum: number; ids: number[]; exit: number; late: number }>();
  expect(said).toMatchObject({ sum: 1500, exit: 0, late: 1 });
  expect(new Set(said.ids).size).toBe(3);
  expect(await child.end(2000)).toEqual({ code: 0, signal: null });
});
