// A client whose calls are lost, arrive twice, or meet another coordinator: nothing is done twice,
// and what is told is true.

import { PdpmError } from "@pdpm/base";
import { toKey } from "@pdpm/kv";
import { expect, test } from "vitest";
import { failureOf } from "./contract-failures.ts";
import { changeIn, Pause, World } from "./contract-scene.ts";

const unknown = { outcome: "unknown" } as const;

test("a put whose answer is lost is sent again, and carried out once", async () => {
  const world = new World();
  const host = await world.start();
  const client = await world.client();
  let lost = 3;
  world.way = async (request) => {
    const answer = await world.ask(request);
    if ((request as { op: string }).op !== "put" || lost === 0) return answer;
    lost -= 1;
    throw new PdpmError("PDPM_UNAVAILABLE", "the connection broke", unknown);
  };
  expect(await world.put(client, "k", "v")).toBe(1);
  expect(host.coordinator.counters().operations["put"]?.operations).toBe(1);
  expect(client.counters().events["repeated"]).toBe(3);
  expect(await world.put(client, "k", "w")).toBe(2);
  await world.close();
});

test("a request that arrives late, after its write and the next ones, does nothing", async () => {
  const world = new World();
  await world.start();
  const client = await world.client();
  const requests: unknown[] = [];
  world.way = (request) => {
    requests.push(request);
    return world.ask(request);
  };
  await world.put(client, "k", "v");
  await client.delete(toKey("k"), undefined, {});
  const late = world.ask(requests[0]);
  await failureOf(late, "PDPM_INVALID_ARGUMENT", "unknown");
  expect(await world.get(client, "k")).toBeUndefined();
  await world.close();
});

test("what became of a put that was lost with its coordinator is unknown", async () => {
  for (const isCommitted of [false, true]) {
    const world = new World();
    await world.start();
    const client = await world.client();
    const pause = new Pause();
    world.hook = ({ request }) => {
      const at = isCommitted ? "clean" : "create";
      return changeIn(request) === at ? pause.at() : undefined;
    };
    if (isCommitted) {
      world.way = async (request) => {
        await world.ask(request);
        if ((request as { op: string }).op !== "put") return never;
        world.kill();
        throw new PdpmError("PDPM_UNAVAILABLE", "the connection broke", unknown);
      };
    }
    const putting = world.put(client, "k", "v");
    putting.catch(() => undefined);
    if (!isCommitted) {
      await pause.reached;
      world.kill();
    }
    while (world.host !== undefined) await new Promise((resolve) => setImmediate(resolve));
    world.hook = undefined;
    world.way = undefined;
    pause.end();
    const next = await world.start();
    const error = await failureOf(putting, "PDPM_UNAVAILABLE", "unknown");
    expect(error.message).toContain("another coordinator took over");
    expect(await world.get(client, "k")).toBe(isCommitted ? "v" : undefined);
    expect(next.coordinator.counters().operations["put"]?.operations ?? 0).toBe(0);
    expect(await world.put(client, "k", "w")).toBe(isCommitted ? 2 : 1);
    await world.close();
  }
});

test("a put that no coordinator has seen goes to the next one", async () => {
  const world = new World();
  await world.start();
  const client = await world.client();
  await world.put(client, "k", "v");
  world.kill();
  const putting = world.put(client, "k", "w");
  await new Promise((resolve) => setImmediate(resolve));
  await world.start();
  expect(await putting).toBe(2);
  expect(client.counters().events["greetings"]).toBe(2);
  await world.close();
});

test("without a coordinator a caller hears so at its deadline, and nothing was applied", async () => {
  const world = new World();
  await world.start();
  const client = await world.client();
  world.kill();
  const limits = { timeoutMs: 30 };
  const key = toKey("k");
  const put = client.put(key, new Uint8Array(1), undefined, limits);
  const error = await failureOf(put, "PDPM_BUSY");
  expect(error.message).toContain("coordinator");
  await failureOf(client.get(key, limits), "PDPM_BUSY");
  await failureOf(client.delete(key, undefined, limits), "PDPM_BUSY");
  await client.close(30);
});

test("a deadline in the middle of a call names the host if it is known, else what kept the last call", async () => {
  for (const host of [undefined, "pid 7 hosts it"]) {
    const world = new World();
    await world.start();
    const client = await world.client({ silent: () => host });
    let calls = 0;
    world.way = () => {
      calls += 1;
      return calls % 2 === 1 ? Promise.resolve({ refused: true }) : never;
    };
    const said = host ?? "the coordinator of this store changes";
    const limits = { timeoutMs: 60 };
    const key = toKey("k");
    const get = await failureOf(client.get(key, limits), "PDPM_BUSY");
    expect(get.text).toBe(`${said}; the deadline passed`);
    expect(calls).toBe(2);
    await client.close(30);
  }
});

test("a write that a silent host has in hand names it, and its outcome is unknown", async () => {
  const world = new World();
  await world.start();
  const client = await world.client({ silent: () => "pid 7 hosts it" });
  await world.put(client, "k", "v");
  world.way = () => never;
  const put = client.put(toKey("k"), new Uint8Array(1), undefined, { timeoutMs: 30 });
  const error = await failureOf(put, "PDPM_BUSY", "unknown");
  expect(error.text).toBe("pid 7 hosts it; the deadline passed");
  await client.close(30);
});

test("the caller's buffer is its own again when it leaves", async () => {
  const world = new World();
  await world.start();
  const client = await world.client();
  await world.put(client, "k", "old");
  const pause = new Pause();
  world.way = async (request) => {
    if ((request as { op: string }).op === "put") await pause.at();
    return world.ask(request);
  };
  const value = Buffer.from("mine");
  const late = client.put(toKey("k"), value, undefined, { timeoutMs: 20 });
  await failureOf(late, "PDPM_TIMEOUT", "unknown");
  value.fill("x");
  pause.end();
  while ((await world.get(client, "k")) === "old") await new Promise((go) => setImmediate(go));
  expect(await world.get(client, "k")).toBe("mine");
  await world.close();
});

const never = new Promise<never>(() => {});
