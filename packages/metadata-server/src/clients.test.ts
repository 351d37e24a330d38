// Clients: they enter once, die once, and are forgotten when they owe nothing.

import { expect, test } from "vitest";
import { buriedMost } from "./clients.ts";
import { bits, enter, scene, sceneService } from "./contract-scene.ts";
import { MemoryStore } from "./memory-store.ts";
import type { Change } from "./protocol.ts";

const enters = { do: "enter", pid: 5, kind: "file" } as const;

test("an id enters once, however often it is delivered, and never again when it is gone", async () => {
  const { service, one } = await scene();
  const request = { ticket: { client: 9, slot: 0, sequence: 1 }, change: enters } as const;
  const reply = await service.handle(request);
  await one.do({ do: "press" });
  expect(await service.handle(request)).toEqual(reply);
  const again = service.handle({ ...request, ticket: { client: 9, slot: 1, sequence: 1 } });
  await expect(again).rejects.toMatchObject({ code: "PDPM_INVALID_ARGUMENT" });
  await one.do({ do: "markDead", dead: 9 });
  expect(await service.handle(request)).toEqual(reply);
  await one.do({ do: "bury", dead: 9 });
  await expect(service.handle(request)).rejects.toMatchObject({ code: "PDPM_FENCED" });
  const ids = (await one.ask({ ask: "clients" })).map(({ id }) => id);
  expect(ids).toEqual([1, 2]);
});

test("ids of clients long gone stay gone, and the list of them is bounded", async () => {
  const service = sceneService(new MemoryStore());
  for (let id = 1; id <= buriedMost + 5; id += 1) {
    const caller = await enter(service, id);
    await caller.do({ do: "leave" });
  }
  const enterAs = (client: number): Promise<unknown> =>
    service.handle({ ticket: { client, slot: 0, sequence: 1 }, change: enters });
  for (const id of [1, 5, 6, buriedMost + 5]) {
    await expect(enterAs(id)).rejects.toMatchObject({ code: "PDPM_FENCED" });
  }
  await enterAs(buriedMost + 6);
});

test("a client that was marked dead before its request to enter arrived never enters", async () => {
  const { service, one } = await scene();
  await one.do({ do: "markDead", dead: 9 });
  await one.do({ do: "markDead", dead: 9 });
  const request = { ticket: { client: 9, slot: 0, sequence: 1 }, change: enters } as const;
  await expect(service.handle(request)).rejects.toMatchObject({ code: "PDPM_FENCED" });
  expect(await one.do({ do: "bury", dead: 9 })).toBe("buried");
  expect((await one.ask({ ask: "clients" })).map(({ id }) => id)).toEqual([1, 2]);
});

test("a client leaves when it owes nothing; leaving twice is leaving", async () => {
  const { one, two, service, store } = await scene();
  await one.lease(1);
  expect(await one.do({ do: "leave" })).toBe("owes");
  await one.do({ do: "giveBack", spans: [{ chunk: 1, span: 0, bitmap: bits(0) }] });
  await one.do({ do: "claim", office: "collector" });
  expect(await one.do({ do: "leave" })).toBe("left");
  expect(await one.again({ do: "leave" })).toBe("left");
  await expect(one.do({ do: "press" })).rejects.toMatchObject({ code: "PDPM_FENCED" });
  expect(await two.ask({ ask: "offices" })).toEqual({ collector: 0, coordinator: 0 });
  const records = await store.range({ start: "", end: "~", limit: 999 });
  expect(records.filter(({ key }) => key.includes("/0000001"))).toEqual([]);
  expect(await service.handle({ ask: "leases", client: 1 })).toEqual([]);
});

test("a lease that meets its client's leaving is not lost", async () => {
  const { one, before } = await scene();
  const ticket = { client: 1, slot: 1, sequence: 1 };
  const lease = { do: "lease", sizeClass: 41, buffers: 1 } as const;
  before(() => one.service.handle({ ticket, change: lease }));
  expect(await one.do({ do: "leave" })).toBe("owes");
  expect(await one.ask({ ask: "leases", client: 1 })).toHaveLength(1);
});

test("a dead client's spans are settled before it is buried", async () => {
  const { one, two } = await scene();
  const [part] = await one.lease(1);
  const settle = { do: "settle", dead: 1, spans: [{ ...part, bitmap: bits(0, 1) }] } as Change;
  await expect(two.do(settle)).rejects.toThrow("was not marked dead");
  await expect(two.do({ do: "bury", dead: 1 })).rejects.toThrow("was not marked dead");
  await expect(two.do({ do: "markDead", dead: 2 })).rejects.toThrow("cannot mark itself dead");
  expect(await two.do({ do: "markDead", dead: 1 })).toBe("done");
  expect(await two.do({ do: "markDead", dead: 1 })).toBe("done");
  expect(await two.ask({ ask: "clients" })).toMatchObject([{ state: "dead" }, { state: "live" }]);
  expect(await two.do({ do: "bury", dead: 1 })).toBe("owes");
  expect(await two.do(settle)).toBe("done");
  expect(await two.ask({ ask: "space" })).toMatchObject([{ free: 41, leased: 0, taken: 10 }]);
  expect(await two.do(settle)).toBe("done");
  expect(await two.do({ do: "bury", dead: 1 })).toBe("buried");
  expect(await two.do({ do: "bury", dead: 1 })).toBe("buried");
  expect(await two.do({ do: "markDead", dead: 1 })).toBe("done");
  expect(await two.ask({ ask: "clients" })).toHaveLength(1);
});

test("an office has one holder, and passes on when that dies", async () => {
  const { one, two, before } = await scene();
  const claim = { do: "claim", office: "coordinator" } as const;
  before(() => two.do(claim));
  expect(await one.do(claim)).toEqual({ holder: 2 });
  expect(await two.do(claim)).toBe("claimed");
  expect(await one.ask({ ask: "offices" })).toEqual({ collector: 0, coordinator: 2 });
  await one.do({ do: "resign", office: "coordinator" });
  expect(await one.do(claim)).toEqual({ holder: 2 });
  await one.do({ do: "markDead", dead: 2 });
  expect(await one.ask({ ask: "offices" })).toEqual({ collector: 0, coordinator: 0 });
  expect(await one.do(claim)).toBe("claimed");
  await one.do({ do: "bury", dead: 2 });
  expect(await one.ask({ ask: "offices" })).toEqual({ collector: 0, coordinator: 1 });
  await one.do({ do: "resign", office: "coordinator" });
  expect(await one.ask({ ask: "offices" })).toEqual({ collector: 0, coordinator: 0 });
});

test("acknowledging only grows, and conflicts with no other change of the client", async () => {
  const { one, two, before, store } = await scene();
  await two.do({ do: "press" });
  const acknowledged = async (): Promise<unknown> =>
    (await one.ask({ ask: "clients" })).find(({ id }) => id === 1)?.acknowledged;
  const { generation } = await one.ask({ ask: "table" });
  let commits = 0;
  const commit = store.commit.bind(store);
  store.commit = (expected, writes) => {
    commits += 1;
    return commit(expected, writes);
  };
  const ticket = { client: 1, slot: 7, sequence: 1 };
  before(() => one.service.handle({ ticket, change: { do: "acknowledge", generation } }));
  await one.lease(1);
  expect(commits).toBe(2);
  expect(await acknowledged()).toBe(generation);
  await one.do({ do: "acknowledge", generation: generation - 1 });
  expect(await acknowledged()).toBe(generation);
});
