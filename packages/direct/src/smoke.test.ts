import { Prng, systemClock } from "@pdpm/base";
import { Store, toKey } from "@pdpm/kv";
import { ArrayMemory, ChunkMap, Router, Runner } from "@pdpm/verbs";
import { ArrayFabric } from "@pdpm/verbs/array-fabric";
import { expect, test } from "vitest";
import { auditStore, DirectBackend, membersServer, nodeServer, Session } from "./index.ts";

test("direct smoke", async () => {
  const chunkBytes = 2 ** 22;
  const node = new ArrayFabric(new ArrayMemory(2 ** 26 * 8, 4096 + chunkBytes));
  const make = (id: number) => {
    const chunks = new ChunkMap(chunkBytes);
    const servers = new Map([
      [membersServer, () => ({ alive: true, who: "x" })],
      [nodeServer(0), (r: any) => node.extend(r.extend)],
    ]);
    const router = new Router(systemClock, chunks, [node], servers as any);
    const runner = new Runner(router, systemClock);
    const session = new Session({
      clientId: id,
      chunks,
      nodeCount: 1,
      chunksMost: 100,
      durability: "power",
      cursorsMost: 1e6,
      prng: new Prng(id),
      running: () => runner.running(),
    });
    return new DirectBackend(session, runner, systemClock);
  };
  const a = make(1);
  const b = make(2);
  expect(await a.get(toKey("x"), {})).toBeUndefined();
  expect(await a.put(toKey("x"), Buffer.from("hello"), undefined, {})).toBe(1);
  expect(Buffer.from((await b.get(toKey("x"), {}))!.value).toString()).toBe("hello");
  expect(await b.put(toKey("x"), Buffer.from("hello2"), undefined, {})).toBe(2);
  expect(await b.put(toKey("x"), new Uint8Array(5000), undefined, {})).toBe(3);
  expect((await a.get(toKey("x"), {}))!.value.length).toBe(5000);
  expect(await a.delete(toKey("x"), undefined, {})).toBe(3);
  expect(await b.get(toKey("x"), {})).toBeUndefined();
  expect(await b.put(toKey("x"), Buffer.from("again"), 0, {})).toBe(4);
  const n = 20000;
  let t = performance.now();
  for (let i = 0; i < n; i++)
    await a.put(toKey("key" + i), new Uint8Array(1024).fill(i), undefined, {});
  console.log("insert us", ((performance.now() - t) * 1000) / n);
  for (let r = 0; r < 3; r++) {
    t = performance.now();
    for (let i = 0; i < n; i++) await a.get(toKey("key" + i), {});
    console.log("get us", ((performance.now() - t) * 1000) / n);
    t = performance.now();
    for (let i = 0; i < n; i++)
      await a.put(toKey("key" + i), new Uint8Array(1024).fill(i), undefined, {});
    console.log("put us", ((performance.now() - t) * 1000) / n);
  }
  for (let i = 0; i < n; i++)
    expect(await b.delete(toKey("key" + i), undefined, {})).toBeGreaterThan(0);
  const report = await a.run("audit", auditStore, {});
  console.log(report.space, report.keys, report.heldBy, report.problems.slice(0, 5));
  console.log((await a.stats()).events);
  expect(report.problems).toEqual([]);
});
