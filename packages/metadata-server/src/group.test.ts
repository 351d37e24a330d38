// Changes in groups: as if one came after the other, and few commits.

import { PdpmError, Prng } from "@pdpm/base";
import { expect, test } from "vitest";
import { bits, buffer, Caller, key, SceneClock, scene, sceneService } from "./contract-scene.ts";
import { conflictsMost, Groups } from "./group.ts";
import { MemoryStore } from "./memory-store.ts";
import type { Change } from "./protocol.ts";
import type { RecordName } from "./record.ts";
import { directoryOf, floorOf } from "./records.ts";
import type { MetadataService } from "./service.ts";
import type { Expected, Writes } from "./store.ts";
import { attemptsMost, type Call, Transaction } from "./transaction.ts";

/** Counts commits, holds them up, and makes those conflict that expect the hot record. */
class WatchedStore extends MemoryStore {
  commits: (readonly string[])[] = [];
  hotKey = "";
  gate: Promise<void> | undefined;

  override async commit(expected: Expected, writes: Writes): Promise<boolean> {
    this.commits.push([...writes.keys()]);
    await this.gate;
    if (expected.has(this.hotKey)) return false;
    return super.commit(expected, writes);
  }
}

const [a, b, c, d] = [1, 2, 3, 4].map(floorOf) as [Name, Name, Name, Name];
type Name = RecordName<number>;

function callOver(store: MemoryStore, options: Partial<Call> = {}): Call {
  const usual = { store, clock: new SceneClock(), prng: new Prng("group") };
  return {
    ...usual,
    deadlineAt: Number.POSITIVE_INFINITY,
    commitRecordsMost: 512,
    ...options,
  };
}

/** Adds to a record; the result is what it is then. */
const add =
  (name: Name, much = 1) =>
  async (transaction: Transaction): Promise<number> => {
    const sum = ((await transaction.get(name)) ?? 0) + much;
    transaction.put(name, sum);
    return sum;
  };

async function read(store: MemoryStore, name: Name): Promise<number | undefined> {
  return new Transaction(store).get(name);
}

const create = (name: string, index: number): Change & { do: "create" } => ({
  do: "create",
  key: key(name),
  pointer: buffer(1, index),
  commitNumber: 1,
});

/** Delivers each change in a call slot of its own, all at once. */
function together(service: MetadataService, ...changes: Change[]): Promise<unknown>[] {
  return changes.map((change, slot) =>
    service.handle({ ticket: { client: 1, slot: slot + 1, sequence: 1 }, change }),
  );
}

async function watched(): Promise<{ store: WatchedStore; service: MetadataService; one: Caller }> {
  const store = new WatchedStore();
  const service = sceneService(store);
  const one = new Caller(service, 1);
  await one.do({ do: "enter", pid: 1, kind: "file" });
  await one.do({ do: "addChunk", node: 1, place: 0, sizeClass: 41 });
  await one.lease(51);
  store.commits = [];
  return { store, service, one };
}

test("changes of one turn are one commit, each with its reply, and all of them are there", async () => {
  const { store, service } = await watched();
  const names = Array.from({ length: 40 }, (_, i) => `key ${i}`);
  const replies = await Promise.all(together(service, ...names.map(create)));
  expect(replies).toEqual(names.map(() => "created"));
  expect(store.commits.map((keys) => keys.length)).toEqual([80]);
  for (const [i, name] of names.entries()) {
    expect(await service.handle({ ask: "lookup", key: key(name) })).toMatchObject({
      head: buffer(1, i),
    });
    const ticket = { client: 1, slot: i + 1, sequence: 1 };
    expect(await service.handle({ ticket, change: create(name, i) })).toBe("created");
  }
});

test("what arrives during a commit waits for it, and is the next one", async () => {
  const store = new WatchedStore();
  const groups = new Groups();
  const call = callOver(store);
  let open: () => void = () => undefined;
  store.gate = new Promise((resolve) => {
    open = resolve;
  });
  const first = groups.transact(call, add(a));
  while (store.commits.length === 0) await undefined;
  const later = [b, a, c].map((name) => groups.transact(call, add(name)));
  for (let turns = 0; turns < 100; turns += 1) await undefined;
  expect(store.commits).toEqual([[a.key]]);
  open();
  expect([await first, ...(await Promise.all(later))]).toEqual([1, 1, 2, 1]);
  expect(store.commits).toEqual([[a.key], [b.key, a.key, c.key]]);
});

test("each sees what those before it did, and nobody else does before the commit", async () => {
  const store = new WatchedStore();
  const groups = new Groups();
  const call = callOver(store);
  const sums = await Promise.all([
    groups.transact(call, add(a)),
    groups.transact(call, async (transaction) => {
      expect(await read(store, a)).toBeUndefined();
      expect(await transaction.peek(a)).toBe(1);
      transaction.put(a, undefined);
      return -1;
    }),
    groups.transact(call, add(a, 5)),
  ]);
  expect(sums).toEqual([1, -1, 5]);
  expect(await read(store, a)).toBe(5);
  expect(store.commits).toHaveLength(1);
});

test("two creations of a key at once: the first one is made, the other one is told", async () => {
  const { store, service } = await watched();
  const freed = [buffer(1, 0)];
  const replies = await Promise.all(
    together(
      service,
      create("k", 0),
      create("k", 1),
      { do: "supersede", key: key("k"), expected: buffer(1, 0), pointer: buffer(1, 2) },
      {
        do: "forget",
        key: key("k"),
        head: buffer(1, 2),
        commitNumber: 7,
        freed: [buffer(1, 2), ...freed],
      },
      create("k", 3),
    ),
  );
  const exists = { exists: buffer(1, 0) };
  expect(replies).toEqual(["created", exists, "done", "forgotten", { floor: 7 }]);
  expect(store.commits).toHaveLength(1);
});

test("buffers of one span that are freed in a group are all free, and queued once", async () => {
  const { store, service, one } = await watched();
  const indexes = [0, 1, 12, 13, 24];
  await Promise.all(together(service, ...indexes.map((at) => create(`${at}`, at))));
  const leases = await one.ask({ ask: "leases", client: 1 });
  await one.do({ do: "giveBack", spans: leases.map((part) => ({ ...part, bitmap: bits() })) });
  store.commits = [];
  const deletes = indexes.map((at) => {
    const head = buffer(1, at);
    const change = {
      do: "forget",
      key: key(`${at}`),
      head,
      commitNumber: 1,
      freed: [head],
    } as const;
    return service.handle({ ticket: { client: 1, slot: 100 + at, sequence: 1 }, change });
  });
  expect(await Promise.all(deletes)).toEqual(indexes.map(() => "forgotten"));
  expect(store.commits).toHaveLength(1);
  const queue = await store.range({ start: "free/", end: "free0", limit: 99 });
  expect(queue).toHaveLength(3);
  const spans = [...(await one.lease(51))].sort((x, y) => x.span - y.span);
  expect(spans.map(({ span, bitmap }) => [span, bitmap])).toEqual([
    [0, bits(0, 1)],
    [1, bits(0, 1)],
    [2, bits(0)],
  ]);
});

test("a change that arrives twice in a group takes effect once, with one answer", async () => {
  const { store, service } = await watched();
  const request = { ticket: { client: 1, slot: 9, sequence: 1 }, change: create("k", 0) };
  const replies = await Promise.all([1, 2, 3].map(() => service.handle(request)));
  expect(replies).toEqual(["created", "created", "created"]);
  expect(store.commits.map((keys) => keys.length)).toEqual([2]);
});

test("changes of one slot in a group go in their order; one that comes behind its successor does not", async () => {
  const { store, service } = await watched();
  const deliver = (sequence: number): Promise<unknown> => {
    const ticket = { client: 1, slot: 9, sequence };
    return service.handle({ ticket, change: create(`k${sequence}`, sequence) });
  };
  const results = await Promise.allSettled([1, 3, 2, 3, 4].map(deliver));
  expect(results.map(({ status }) => status)).toEqual([
    "fulfilled",
    "fulfilled",
    "rejected",
    "fulfilled",
    "fulfilled",
  ]);
  expect(results[2]).toMatchObject({ reason: { code: "PDPM_INVALID_ARGUMENT" } });
  expect(store.commits).toHaveLength(1);
  expect(await store.get(directoryOf(key("k2")).key)).toBeUndefined();
  expect(await store.get(directoryOf(key("k3")).key)).toBeDefined();
});

test("a change that throws leaves nothing of itself, and the others are made", async () => {
  for (const error of [new PdpmError("PDPM_BUSY", "no"), new TypeError("a mistake")]) {
    const store = new WatchedStore();
    const groups = new Groups();
    const call = callOver(store);
    const results = await Promise.allSettled([
      groups.transact(call, add(a)),
      groups.transact(call, async (transaction) => {
        transaction.put(a, 9);
        transaction.put(b, 9);
        throw error;
      }),
      groups.transact(call, async (transaction) => {
        transaction.put(c, 9);
        transaction.put({ key: d.key, kind: { write: () => unwritable(), read: () => 0 } }, 9);
      }),
      groups.transact(call, add(a)),
    ]);
    expect(results).toMatchObject([
      { value: 1 },
      { reason: error },
      { reason: { message: "cannot be written" } },
      { value: 2 },
    ]);
    expect(await read(store, a)).toBe(2);
    for (const name of [b, c, d]) expect(await read(store, name)).toBeUndefined();
    expect(store.commits).toEqual([[a.key]]);
  }
});

function unwritable(): never {
  throw new RangeError("cannot be written");
}

test("an error is told only if what it rests on still holds", async () => {
  const store = new MemoryStore();
  const groups = new Groups();
  const call = callOver(store);
  let tries = 0;
  const work = groups.transact(call, async (transaction) => {
    tries += 1;
    const seen = await transaction.get(a);
    if (tries > 1) return seen;
    const rival = new Transaction(store);
    rival.put(a, 5);
    expect(await rival.commit()).toBe(true);
    throw new PdpmError("PDPM_CORRUPT", "two records do not fit together");
  });
  expect(await work).toBe(5);
  const refused = groups.transact(call, async (transaction) => {
    await transaction.get(a);
    throw new PdpmError("PDPM_CORRUPT", "it is so");
  });
  await expect(refused).rejects.toThrow("it is so");
});

test("a conflict halves the group, and nothing is done twice", async () => {
  const store = new WatchedStore();
  const groups = new Groups();
  const clock = new SceneClock();
  const pauses: number[] = [];
  const after = clock.after.bind(clock);
  clock.after = (ms, then) => {
    pauses.push(ms);
    return after(ms, then);
  };
  const call = callOver(store, { clock });
  let left = 1;
  const commit = store.commit.bind(store);
  store.commit = async (...args) => {
    left -= 1;
    if (left < 0) return commit(...args);
    store.commits.push([...args[1].keys()]);
    return false;
  };
  const sums = [a, b, c, a].map((name) => groups.transact(call, add(name)));
  expect(await Promise.all(sums)).toEqual([1, 1, 1, 2]);
  expect(store.commits).toEqual([
    [a.key, b.key, c.key],
    [a.key, b.key],
    [c.key, a.key],
  ]);
  // Before each of the two, for both have met a conflict.
  expect(pauses).toHaveLength(2);
  // It recovers: the next ones share a commit again.
  await Promise.all([a, b, c, d].map((name) => groups.transact(call, add(name))));
  expect(store.commits).toHaveLength(4);
});

test("a record that always changes holds up nobody else", async () => {
  const store = new WatchedStore();
  store.hotKey = b.key;
  const groups = new Groups();
  const call = callOver(store);
  const hot = groups.transact(call, add(b)).then(
    () => "done",
    (error: PdpmError) => `${error.code} ${error.outcome}`,
  );
  const others = [a, c, d].map((name) => groups.transact(call, add(name)));
  expect(await Promise.all(others)).toEqual([1, 1, 1]);
  const before = store.commits.length;
  expect(before).toBeLessThan(10);
  expect(await groups.transact(call, add(a))).toBe(2);
  expect(await hot).toBe("PDPM_BUSY not-applied");
  const tries = store.commits.filter((keys) => keys.includes(b.key)).length;
  expect(tries).toBe(attemptsMost);
  expect(
    store.commits.filter((keys) => keys.includes(b.key) && keys.length > 1).length,
  ).toBeLessThanOrEqual(conflictsMost);
});

test("past its deadline a change is not begun, and those beside it are made", async () => {
  const store = new WatchedStore();
  const groups = new Groups();
  const clock = new SceneClock();
  const call = callOver(store, { clock });
  let isBegun = false;
  const late = groups.transact({ ...call, deadlineAt: clock.now() }, async () => {
    isBegun = true;
  });
  const other = groups.transact(call, add(a));
  const timeout = { code: "PDPM_TIMEOUT", outcome: "not-applied" };
  await expect(late).rejects.toMatchObject(timeout);
  expect(await other).toBe(1);
  expect(isBegun).toBe(false);
});

test("what is late at the commit is not in it, and those beside it are", async () => {
  const store = new WatchedStore();
  const groups = new Groups();
  const clock = new SceneClock();
  const call = callOver(store, { clock });
  const early = groups.transact(call, add(a));
  const late = groups.transact({ ...call, deadlineAt: clock.now() + 0.05 }, add(b));
  const slow = groups.transact(call, async (transaction) => {
    for (let looks = 0; looks < 100; looks += 1) clock.now();
    return add(c)(transaction);
  });
  await expect(late).rejects.toMatchObject({ code: "PDPM_TIMEOUT", outcome: "not-applied" });
  expect(await Promise.all([early, slow])).toEqual([1, 1]);
  expect(store.commits).toEqual([[a.key, c.key]]);
});

test("a group is of bounded size, and waiting changes go on behind it", async () => {
  const store = new WatchedStore();
  const groups = new Groups();
  const call = callOver(store, { commitRecordsMost: 10 });
  const names = Array.from({ length: 25 }, (_, i) => floorOf(i));
  await Promise.all(names.map((name) => groups.transact(call, add(name))));
  expect(store.commits.map((keys) => keys.length)).toEqual([10, 10, 5]);
});

test("a store that fails is reported to each, and the next changes are tried anew", async () => {
  let isDown = true;
  const store = new MemoryStore({
    beforeCommit() {
      if (isDown) throw new PdpmError("PDPM_UNAVAILABLE", "no store", { outcome: "unknown" });
    },
  });
  const groups = new Groups();
  const call = callOver(store);
  const failed = await Promise.allSettled([a, b].map((name) => groups.transact(call, add(name))));
  const reason = { code: "PDPM_UNAVAILABLE", outcome: "unknown" };
  expect(failed).toMatchObject([{ reason }, { reason }]);
  isDown = false;
  expect(await groups.transact(call, add(a))).toBe(1);
});

test("a client that is marked dead takes nobody with it", async () => {
  const { one, two, service, before } = await scene();
  const other = await enterAt(service, 3);
  await one.lease(12);
  await other.lease(12);
  before(() => two.do({ do: "markDead", dead: 1 }));
  const results = await Promise.allSettled([one.do(create("a", 0)), other.do(create("b", 12))]);
  expect(results).toMatchObject([{ reason: { code: "PDPM_FENCED" } }, { value: "created" }]);
});

async function enterAt(service: MetadataService, id: number): Promise<Caller> {
  const caller = new Caller(service, id);
  await caller.do({ do: "enter", pid: id, kind: "file" });
  return caller;
}
