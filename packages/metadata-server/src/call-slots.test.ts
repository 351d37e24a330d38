// Call slots: a change takes effect once, however often it is delivered, and to whom.

import { expect, test } from "vitest";
import {
  bits,
  buffer,
  Caller,
  enter,
  key,
  scene,
  sceneService,
  sizeClass,
} from "./contract-scene.ts";
import { MemoryStore } from "./memory-store.ts";
import type { Expected, Writes } from "./store.ts";

test("a change that arrives again is answered as before, and not done again", async () => {
  const { service, one } = await scene();
  const first = await one.do({ do: "press" });
  expect(await one.again({ do: "press" })).toEqual(first);
  expect(await service.handle({ ask: "table" })).toMatchObject({ pressure: 1 });
  const spans = await one.lease(20);
  expect(await one.again({ do: "lease", sizeClass, buffers: 20 })).toEqual({ spans });
  expect(await service.handle({ ask: "leases", client: 1 })).toEqual(spans);
});

test("a change that arrives after its successor is refused; a gap is no successor", async () => {
  const { service } = await scene();
  const press = (sequence: number): Promise<unknown> =>
    service.handle({ ticket: { client: 1, slot: 3, sequence }, change: { do: "press" } });
  await press(5);
  await press(9);
  const refused = { code: "PDPM_INVALID_ARGUMENT", outcome: "unknown" };
  await expect(press(5)).rejects.toMatchObject(refused);
  await expect(press(8)).rejects.toMatchObject(refused);
  expect(await service.handle({ ask: "table" })).toMatchObject({ pressure: 2 });
});

test("two deliveries at once take effect once, with one answer", async () => {
  const { service, one } = await scene();
  const request = { ticket: { client: 1, slot: 1, sequence: 1 }, change: { do: "press" } } as const;
  const [a, b] = await Promise.all([service.handle(request), service.handle(request)]);
  expect(a).toEqual(b);
  expect(await one.ask({ ask: "table" })).toMatchObject({ pressure: 1 });
});

test("a service that dies after the commit is found out by asking the next one", async () => {
  const { store, one, killAfter } = await scene();
  await one.lease(1);
  killAfter(1);
  const create = { do: "create", key: key("k"), pointer: buffer(1, 0), commitNumber: 1 } as const;
  await expect(one.do(create)).rejects.toThrow("killed");
  const next = sceneService(store);
  expect(await next.handle({ ticket: one.ticket, change: create })).toBe("created");
});

test("nothing is changed for a client once it is marked dead, not even half a moment later", async () => {
  const { one, two, before } = await scene();
  await one.lease(1);
  before(() => two.do({ do: "markDead", dead: 1 }));
  const create = { do: "create", key: key("k"), pointer: buffer(1, 0), commitNumber: 1 } as const;
  const fenced = { code: "PDPM_FENCED", outcome: "not-applied" };
  await expect(one.do(create)).rejects.toMatchObject(fenced);
  expect(await two.ask({ ask: "lookup", key: key("k") })).toMatchObject({ head: null });
  for (const change of [{ do: "press" }, { do: "leave" }, { do: "giveBack", spans: [] }] as const) {
    await expect(one.do(change)).rejects.toMatchObject(fenced);
  }
});

test("a dead client still learns what it did; of a buried one nobody knows", async () => {
  const { one, two } = await scene();
  const reply = await one.do({ do: "press" });
  await two.do({ do: "markDead", dead: 1 });
  expect(await one.again({ do: "press" })).toEqual(reply);
  await two.do({ do: "bury", dead: 1 });
  const unknown = { code: "PDPM_FENCED", outcome: "unknown" };
  await expect(one.again({ do: "press" })).rejects.toMatchObject(unknown);
});

test("a batch goes on where it ended, and gives nothing back that was leased since", async () => {
  const { one, killAfter } = await scene({ commitRecordsMost: 2 });
  const parts = await one.lease(60);
  const unused = parts.map((part) => ({ ...part, bitmap: bits(0) }));
  killAfter(2);
  const giveBack = { do: "giveBack", spans: unused } as const;
  await expect(one.do(giveBack)).rejects.toThrow("killed");
  // Two spans are back; another call of the same client gets the first again, and uses it.
  const other = new Caller(one.service, 1, 1);
  const [again] = await other.lease(1);
  expect(again).toEqual(unused[0]);
  expect(await one.again(giveBack)).toBe("done");
  expect(await one.ask({ ask: "leases", client: 1 })).toEqual([again]);
});

test("the replies of a batch are those of its parts, whoever did them", async () => {
  const { one, store, killAfter } = await scene({ commitRecordsMost: 2 });
  await one.lease(60);
  const moves = [0, 1, 2, 3].map((at) => {
    const [head, next] = [buffer(1, 2 * at), buffer(1, 2 * at + 1)];
    return { key: key(`${at}`), head, next, freed: [head] };
  });
  for (const { key: name, head } of moves) {
    if (head === buffer(1, 4)) continue;
    await one.do({ do: "create", key: name, pointer: head, commitNumber: 1 });
  }
  killAfter(2);
  const advance = { do: "advance", moves } as const;
  await expect(one.do(advance)).rejects.toThrow("killed");
  const next = sceneService(store, { commitRecordsMost: 2 });
  const right = ["moved", "moved", { head: null }, "moved"];
  expect(await next.handle({ ticket: one.ticket, change: advance })).toEqual(right);
  expect(await next.handle({ ticket: one.ticket, change: advance })).toEqual(right);
});

test("what a batch did before an error is not called undone", async () => {
  const { one } = await scene({ commitRecordsMost: 2 });
  const [first, second] = await one.lease(60);
  if (first === undefined || second === undefined) throw new Error("no spans");
  const wrong = { ...second, bitmap: bits(31) };
  const done = one.do({ do: "giveBack", spans: [first, wrong] });
  await expect(done).rejects.toMatchObject({ code: "PDPM_INVALID_ARGUMENT", outcome: "unknown" });
  expect(await one.ask({ ask: "leases", client: 1 })).toHaveLength(4);
});

/** A store in which large commits always come too late. */
class NarrowStore extends MemoryStore {
  writesMost = Number.POSITIVE_INFINITY;
  refused = 0;

  override async commit(expected: Expected, writes: Writes): Promise<boolean> {
    if (writes.size <= this.writesMost) return super.commit(expected, writes);
    this.refused += 1;
    return false;
  }
}

test("a batch that conflicts is tried with half as much, and ends", async () => {
  const store = new NarrowStore();
  const one = await enter(sceneService(store), 1);
  await one.do({ do: "addChunk", node: 1, place: 0, sizeClass });
  const spans = await one.lease(60);
  store.writesMost = 6;
  expect(await one.do({ do: "giveBack", spans })).toBe("done");
  expect(await one.ask({ ask: "leases", client: 1 })).toEqual([]);
  // Five spans, then two; the others go in twos or less from there.
  expect(store.refused).toBeLessThan(5);
});
