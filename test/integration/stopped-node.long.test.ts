// A memory node that stops, goes on, dies, comes back, or was never there: every operation ends in
// its time with a true outcome, nothing that was acknowledged is lost, and clients go on by
// themselves.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { errorCodes, isPdpmError, type PdpmError } from "@pdpm/base";
import { checkLinearizability, type Operation } from "@pdpm/checker";
import { connect, type Store, type Transport } from "pdpm";
import { expect, test } from "vitest";
import { type NodeProcess, startNode, urlOf } from "../support/memory-nodes.ts";
import { Scene, within } from "../support/processes.ts";
import { soon } from "../support/soon.ts";

const scene = new Scene();

/** Two nodes over directories, so that each can be started again at its port. */
async function cluster(count: number) {
  const directories: string[] = [];
  const nodes: NodeProcess[] = [];
  for (let i = 0; i < count; i += 1) directories.push(await scene.directory("memory"));
  for (const directory of directories) nodes.push(await startNode(scene, directory));
  const restart = async (i: number): Promise<void> => {
    const port = Number(new URL(`ws://${nodes[i]?.host}`).port);
    nodes[i] = await startNode(scene, directories[i] as string, { port });
  };
  return { directories, nodes, restart, url: urlOf(...nodes.map(({ host }) => host)) };
}

async function client(url: string, transport: Transport, timeoutMs = 5000): Promise<Store<string>> {
  const store = await connect<string>(url, {
    transport,
    codec: "utf8",
    timeoutMs,
    chunkBytes: 2 ** 22,
  });
  scene.after(() => store.close({ timeoutMs: 1000 }));
  return store;
}

/** How work ended, and after how many milliseconds. */
async function timed<T>(work: () => Promise<T>): Promise<{ end: T | PdpmError; ms: number }> {
  const start = performance.now();
  const end = await within(20_000, "an operation with a deadline", () =>
    work().catch((error: unknown) => {
      if (isPdpmError(error)) return error;
      throw error;
    }),
  );
  return { end, ms: performance.now() - start };
}

const timedOut = ["PDPM_TIMEOUT", "PDPM_UNAVAILABLE"];

test("operations on a stopped node end at their deadlines and aborts, and later it works again", async () => {
  const { nodes, url } = await cluster(1);
  const store = await client(url, "ws");
  for (const key of ["k", "l"]) await store.put(key, "before");
  nodes[0]?.child.signal("SIGSTOP");
  for (const key of ["k", "never seen"]) {
    const { end, ms } = await timed(() => store.get(key, { timeoutMs: 300 }));
    expect(timedOut).toContain((end as PdpmError).code);
    expect(errorCodes[(end as PdpmError).code].exitCode).toBe(5);
    expect(ms).toBeGreaterThan(250);
    expect(ms).toBeLessThan(500);
  }
  const put = await timed(() => store.put("k", "in vain", { timeoutMs: 300 }));
  expect(timedOut).toContain((put.end as PdpmError).code);
  expect(put.ms).toBeLessThan(500);
  // Only the lock was asked for: nothing of the value can ever be there.
  expect((put.end as PdpmError).outcome).toBe("not-applied");
  for (const work of [
    (signal: AbortSignal) => store.get("l", { signal }),
    (signal: AbortSignal) => store.put("l", "in vain", { signal }),
    (signal: AbortSignal) => store.increment("n", 1, { signal }),
    (signal: AbortSignal) => store.getMany(["k", "l"], { signal }),
  ]) {
    const controller = new AbortController();
    const running = timed(() => work(controller.signal) as Promise<unknown>);
    await new Promise((resolve) => setTimeout(resolve, 30));
    const at = performance.now();
    controller.abort();
    expect(((await running).end as PdpmError).code).toBe("PDPM_ABORTED");
    expect(performance.now() - at).toBeLessThan(50);
  }
  nodes[0]?.child.signal("SIGCONT");
  expect(await soon(3000, () => store.get("k", { timeoutMs: 1000 }))).toBe("before");
  await soon(3000, () => store.put("k", "after", { timeoutMs: 1000 }));
  expect(await store.get("k")).toBe("after");
  expect(await store.get("l")).toBe("before");
  await store.put("l", "after");
});

test("closing a client of a stopped node takes no longer than it was given", async () => {
  const { nodes, url } = await cluster(2);
  const store = await connect<string>(url, { transport: "ws", codec: "utf8" });
  await store.put("k", "v");
  for (const { child } of nodes) child.signal("SIGSTOP");
  const lost = store.put("k", "w").catch((error: unknown) => error);
  const { end, ms } = await timed(() => store.close({ timeoutMs: 500 }));
  expect(end).toBeUndefined();
  expect(ms).toBeLessThan(2000);
  expect(isPdpmError(await within(1000, "the put", () => lost))).toBe(true);
});

test("a node that is killed and comes back: clients over ws return by themselves, nothing is lost", async () => {
  const { nodes, url, restart } = await cluster(2);
  const [far, other] = [await client(url, "ws"), await client(url, "ws")];
  const keys = Array.from({ length: 300 }, (_, i) => `key ${i}`);
  await Promise.all(keys.map((key) => far.put(key, `${key} first`)));
  expect(await other.getMany(keys)).toEqual(keys.map((key) => `${key} first`));
  for (const which of [0, 1]) {
    const before = (await far.stats()).clientId;
    await nodes[which]?.child.kill();
    const { end, ms } = await timed(() => far.put("key 0", "in vain", { timeoutMs: 300 }));
    if (isPdpmError(end)) expect(errorCodes[end.code].exitCode).toBe(5);
    expect(ms).toBeLessThan(500);
    await restart(which);
    for (const store of [far, other]) {
      await soon(5000, () => store.put(`back ${which}`, "there", { timeoutMs: 500 }));
      await soon(5000, () => store.getMany(keys, { timeoutMs: 1000 }));
      expect((await store.getMany(keys)).slice(1)).toEqual(
        keys.slice(1).map((key) => `${key} first`),
      );
    }
    expect(["key 0 first", "in vain"]).toContain(await far.get("key 0"));
    await far.put("key 0", "key 0 first");
    expect((await far.stats()).clientId).not.toBe(before);
  }
  await Promise.all(keys.map((key) => other.put(key, `${key} second`)));
  expect(await far.getMany(keys)).toEqual(keys.map((key) => `${key} second`));
});

test("mapped clients go on while their node is dead, and after it came back", async () => {
  const { nodes, url, restart } = await cluster(2);
  const store = await client(url, "mapped");
  const other = await client(url, "mapped");
  await store.put("k", "0");
  const before = (await store.stats()).clientId;
  for (const { child } of nodes) await child.kill();
  for (let i = 1; i <= 100; i += 1) {
    await (i % 2 === 0 ? store : other).put("k", String(i), { timeoutMs: 1000 });
    expect(await store.get("k", { timeoutMs: 300 })).toBe(String(i));
  }
  for (const i of [0, 1]) await restart(i);
  await Promise.all([store, other].map((each) => each.increment("k")));
  expect(await store.get("k")).toBe("102");
  // A fresh one agrees, over ws, too.
  expect(await (await client(url, "ws")).get("k")).toBe("102");
  await soon(3000, () => store.put("large", "x".repeat(100_000)));
  expect((await store.stats()).clientId).toBe(before);
});

test("outcomes of puts are true while their node dies again and again", async () => {
  const { nodes, url, restart } = await cluster(2);
  const stores = [await client(url, "ws", 400), await client(url, "ws", 400)];
  stores.push(await client(url, "mapped", 400));
  const history: Operation[] = [];
  let isOn = true;
  let sequence = 0;
  const now = (): number => performance.now() * 1e6;
  const note = (operation: Omit<Operation, "end" | "ifVersion">): void =>
    void history.push({ ...operation, end: now(), ifVersion: null });
  const put = async (which: number, key: string): Promise<void> => {
    const store = stores[which] as Store<string>;
    sequence += 1;
    const asked = {
      client: which,
      op: "put",
      key,
      value: `${which}:${sequence}`,
      start: now(),
    } as const;
    try {
      const { version } = await store.put(key, asked.value);
      note({ ...asked, version, outcome: "ok" });
    } catch (error) {
      if (!isPdpmError(error)) throw error;
      expect(errorCodes[error.code].exitCode, error.message).toBe(5);
      note({ ...asked, version: null, outcome: error.outcome });
    }
  };
  const get = async (which: number, key: string): Promise<void> => {
    const asked = { client: which, op: "get", key, start: now() } as const;
    try {
      const entry = await (stores[which] as Store<string>).getEntry(key);
      const { value = null, version = null } = entry ?? {};
      note({ ...asked, value, version, outcome: "ok" });
    } catch (error) {
      if (!isPdpmError(error)) throw error;
      expect(errorCodes[error.code].exitCode, error.message).toBe(5);
      note({ ...asked, value: null, version: null, outcome: "unknown" });
    }
  };
  const lane = async (which: number, key: string): Promise<void> => {
    while (isOn) {
      await put(which, key);
      await get(which, key);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  };
  const keys = Array.from({ length: 6 }, (_, i) => `key ${i}`);
  const lanes = stores.flatMap((_, which) => keys.map((key) => lane(which, key)));
  try {
    for (const which of [0, 1, 0, 1]) {
      await new Promise((resolve) => setTimeout(resolve, 400));
      await nodes[which]?.child.kill();
      await new Promise((resolve) => setTimeout(resolve, 200));
      await restart(which);
    }
    await new Promise((resolve) => setTimeout(resolve, 1500));
  } finally {
    isOn = false;
    await Promise.all(lanes);
  }
  const counted: Record<string, number> = {};
  for (const { op, outcome } of history)
    counted[`${op} ${outcome}`] = (counted[`${op} ${outcome}`] ?? 0) + 1;
  console.log("operations while nodes died:", counted);
  const felt = history.filter(({ outcome }) => outcome !== "ok").length;
  expect(felt, "the deaths were felt by operations").toBeGreaterThan(0);
  expect(checkLinearizability(history)).toMatchObject({ ok: true });
  for (const store of stores)
    for (const key of keys) await store.put(key, "at last", { timeoutMs: 5000 });
});

test("a node that cannot be reached, or is stopped, fails a connect in time", async () => {
  const { nodes, url, directories } = await cluster(2);
  await nodes[1]?.child.kill();
  const gone = await timed(() => connect(url, { timeoutMs: 1000 }));
  expect(gone.end).toMatchObject({ code: "PDPM_UNAVAILABLE" });
  expect((gone.end as PdpmError).message).toContain(nodes[1]?.host);
  expect(gone.ms).toBeLessThan(1500);
  nodes[0]?.child.signal("SIGSTOP");
  const stopped = await timed(() => connect(urlOf(nodes[0]?.host as string), { timeoutMs: 500 }));
  expect(stopped.end).toMatchObject({ code: "PDPM_UNAVAILABLE" });
  expect(stopped.ms).toBeLessThan(1000);
  expect(readFileSync(join(directories[0] as string, "region.pm")).length).toBeGreaterThan(0);
});
