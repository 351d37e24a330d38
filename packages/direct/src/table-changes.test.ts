// The chunk table while others change it: what a client takes from it is durable, and who enters or
// fails in the middle of a change leaves nobody waiting. And a bucket that is held by one who waits
// for a slot: also of a client that settles that slot under the bucket's lock.

import { PdpmError, systemClock } from "@pdpm/base";
import { toKey, WriteBatch, WriteRequest } from "@pdpm/kv";
import {
  CellState,
  ChunkState,
  numberWord,
  rootWords,
  rootWordsBytes,
  stateWord,
  tableWord,
} from "@pdpm/layout";
import { type Post, type Protocol, type Replies, Runner, Verb } from "@pdpm/verbs";
import { expect, test } from "vitest";
import { World } from "./contract-scene.ts";
import type { DirectBackend } from "./direct-backend.ts";
import { readLeases, takeLease } from "./leases.ts";
import { settle } from "./reap.ts";
import type { Context } from "./session.ts";
import { lockTable } from "./table-lock.ts";
import { writeKey } from "./write-path.ts";

/** Runs `protocol` as `client`; `answer` may reply in place of the store. */
async function step<T>(
  world: World,
  client: DirectBackend,
  protocol: Protocol<T>,
  answer: (round: readonly Post[]) => Promise<Replies | undefined> | Replies | undefined,
): Promise<T> {
  const router = world.routers.get(client.session.clientId);
  let replies: Replies | undefined;
  for (;;) {
    const next = replies === undefined ? protocol.next() : protocol.next(replies);
    if (next.done) return next.value;
    replies = (await answer(next.value)) ?? ((await router?.post(next.value)) as Replies);
  }
}

/** The flushes of a protocol, `[address, bytes]` each. */
async function flushesOf(world: World, client: DirectBackend, protocol: Protocol<unknown>) {
  const flushes: [number, number][] = [];
  await step(world, client, protocol, (round) => {
    for (const { verb, address, bytes } of round) {
      if (verb === Verb.flush) flushes.push([address, bytes]);
    }
    return undefined;
  });
  return flushes;
}

/** Somebody said of chunk 1 that it is being retired, and went away. */
function retireHalf(world: World, client: DirectBackend): void {
  const { geometry, table } = client.session;
  const entry = table.entry(1);
  if (entry === undefined) throw new Error("chunk 1 is there");
  const active = tableWord({ ...entry, state: ChunkState.active });
  const retiring = tableWord({ ...entry, state: ChunkState.retiring });
  const at = world.offsetOf(client, geometry.tableWord(1));
  expect(world.memory.compareAndSwap(at, active, retiring)).toBe(active);
}

test("what is new in the table is flushed by whoever reads it, the words before their count", async () => {
  const world = new World();
  const one = world.client();
  const other = world.client();
  await world.put(one, "a", "v");
  await world.put(one, "b", "v".repeat(3000));
  const { table, geometry } = other.session;
  const root = [rootWords.tableLock, rootWordsBytes];
  expect(await flushesOf(world, other, table.load())).toEqual([
    [geometry.tableWord(0), 3 * 8],
    root,
  ]);
  expect(await flushesOf(world, other, table.load())).toEqual([]);
  await world.put(one, "c", "v".repeat(30_000));
  expect(await flushesOf(world, other, table.load())).toEqual([
    [geometry.tableWord(0), 4 * 8],
    root,
  ]);
});

test("a count that rose before its generation is news as well", async () => {
  const world = new World();
  const one = world.client();
  const other = world.client();
  const { table } = other.session;
  await world.put(one, "a", "v");
  await step(world, other, table.load(), () => undefined);
  const { generation, count } = table;
  await world.put(one, "b", "v".repeat(3000));
  // Read between the two words of one announcement.
  const at = world.offsetOf(one, rootWords.tableGeneration);
  world.memory.write(at, new Uint8Array(new BigUint64Array([numberWord(generation)]).buffer));
  const flushes = await flushesOf(world, other, table.load());
  expect(flushes[0]).toEqual([other.session.geometry.tableWord(0), 3 * 8]);
  expect([table.generation, table.count]).toEqual([generation, count + 1]);
});

test("of two looks at the table the newer one counts, whichever ends last", async () => {
  const world = new World();
  const one = world.client();
  const other = world.client();
  const { table } = other.session;
  await world.put(one, "a", "v");
  let isOvertaken = false;
  await step(world, other, table.load(), async (round) => {
    // Before the news of the first look are flushed, a second one sees more.
    if (isOvertaken || round[0]?.verb !== Verb.flush) return undefined;
    isOvertaken = true;
    await world.put(one, "b", "v".repeat(3000));
    await step(world, other, table.load(), () => undefined);
    expect(table.count).toBe(3);
    return undefined;
  });
  expect(isOvertaken).toBe(true);
  expect(table.generation).toBe(one.session.table.generation);
});

test("whoever meets a half retired chunk and cannot bring it back leaves the lock in doubt", async () => {
  const world = new World();
  const client = world.client();
  await world.put(client, "a", "v");
  const { session } = client;
  retireHalf(world, client);
  const operation = new Runner(world.routers.get(session.clientId) as never, systemClock).operation(
    "lock",
  );
  const failed = step(world, client, lockTable({ session, operation }), (round) => {
    if (round[0]?.address !== session.geometry.tableWord(1)) return undefined;
    const error = new PdpmError("PDPM_UNAVAILABLE", "for the test");
    return round[0].verb === Verb.compareAndSwap ? round.map(() => error) : undefined;
  });
  await expect(failed).rejects.toMatchObject({ outcome: "not-applied" });
  expect([...session.doubts]).toEqual([rootWords.tableLock]);
});

test("a table lock that was inherited stays in doubt until what its holder left is seen to", async () => {
  const world = new World();
  const client = world.client();
  await world.put(client, "a", "v");
  const { session } = client;
  // It began to retire the chunk, and cannot tell what became of that, or of its lock.
  retireHalf(world, client);
  world.memory.compareAndSwap(world.offsetOf(client, rootWords.tableLock), 0n, session.lockWord);
  session.doubt(rootWords.tableLock);
  const operation = new Runner(world.routers.get(session.clientId) as never, systemClock).operation(
    "settle",
  );
  const settling = settle({ session, operation }, rootWords.tableLock, session.clientId);
  let looks = 0;
  const failed = step(world, client, settling, (round) => {
    if (round[0]?.verb !== Verb.read || round[0].address !== rootWords.tableLock) return undefined;
    looks += 1;
    const error = new PdpmError("PDPM_UNAVAILABLE", "for the test");
    return looks === 2 ? round.map(() => error) : undefined;
  });
  await expect(failed).rejects.toMatchObject({ code: "PDPM_UNAVAILABLE" });
  expect([...session.doubts]).toEqual([rootWords.tableLock]);
  const again = settle({ session, operation }, rootWords.tableLock, session.clientId);
  // The words before the count that covers them.
  expect((await flushesOf(world, client, again)).slice(0, 2)).toEqual([
    [session.geometry.tableWord(0), 3 * 8],
    [rootWords.tableLock, rootWordsBytes],
  ]);
  expect(session.doubts.size).toBe(0);
  expect(session.table.entry(1)?.state).toBe(ChunkState.active);
  expect((await world.audit()).problems).toEqual([]);
});

test("a client that enters while the table changes has acknowledged what it knows", async () => {
  const world = new World();
  const one = world.client();
  const other = world.client();
  await world.put(one, "a", "v");
  await step(world, other, other.session.table.load(), () => undefined);
  const before = other.session.table.generation;
  let isChanged = false;
  await step(world, other, takeLease(other.session, 1, 2), async (round) => {
    // Behind the record, and before the table is read anew.
    if (!isChanged && round.length === 1 && round[0]?.address === rootWords.tableLock) {
      isChanged = true;
      await world.put(one, "b", "v".repeat(3000));
    }
    return undefined;
  });
  expect(isChanged).toBe(true);
  const { generation } = other.session.table;
  expect(generation).toBeGreaterThan(before);
  const leases = await other.run("look", ({ session }) => readLeases(session), {});
  expect(leases.map(({ acknowledged }) => acknowledged)).toEqual([generation]);
});

test("a chunk that nobody can tell to be retired or not comes back", async () => {
  const world = new World();
  const client = world.client(2);
  await world.put(client, "small", "v");
  await world.delete(client, "small");
  const { session } = client;
  const { geometry, table } = session;
  const runner = new Runner(world.routers.get(session.clientId) as never, systemClock);
  const operation = runner.operation("put");
  const request = new WriteRequest(Buffer.alloc(3000), undefined);
  const batch = new WriteBatch(operation, [request]);
  const write = writeKey({ session, operation }, toKey("large"), batch);
  const router = world.routers.get(session.clientId);
  let isBroken = false;
  const lost = (round: readonly Post[], outcome: "unknown" | "not-applied"): Replies =>
    round.map(() => new PdpmError("PDPM_UNAVAILABLE", "for the test", { outcome }));
  const failed = step(world, client, write, async (round) => {
    const [first] = round;
    if (first?.verb === Verb.compareAndSwap && first.address === geometry.tableWord(1)) {
      // It happens, and the reply is lost; then nothing can be read for a while.
      isBroken = true;
      await router?.post(round);
      return lost(round, "unknown");
    }
    return isBroken && first?.verb === Verb.read ? lost(round, "not-applied") : undefined;
  });
  await expect(failed).rejects.toMatchObject({ code: "PDPM_UNAVAILABLE" });
  expect(isBroken).toBe(true);
  expect([...session.doubts]).toEqual([rootWords.tableLock]);
  for (const address of [...session.doubts]) {
    await client.run(
      "settle",
      (context: Context) => settle(context, address, session.clientId),
      {},
    );
  }
  expect(session.doubts.size).toBe(0);
  await step(world, client, table.load(), () => undefined);
  expect(table.entry(1)?.state).toBe(ChunkState.active);
  expect((await world.audit()).problems).toEqual([]);
  await world.put(client, "large", "v".repeat(3000));
});

test.each(["delete", "move"] as const)(
  "a %s that waits for a slot lets its living owner settle it",
  async (kind) => {
    const world = new World();
    const owner = world.client();
    const other = world.client();
    await world.put(owner, "k", "v");
    await world.put(other, "k", "w");
    const cursor = owner.session.cursors.get(toKey("k"));
    if (cursor === undefined) throw new Error("the owner knows the slot");
    const { slot, incarnation } = cursor;
    // The owner locked it and lost its connection: it cannot tell whether it holds the lock.
    const [from, to] = [0, owner.session.clientId].map((id) =>
      stateWord(CellState.live, incarnation, id),
    ) as [bigint, bigint];
    const offset = world.offsetOf(owner, slot);
    expect(world.memory.compareAndSwap(offset, from, to)).toBe(from);
    owner.session.doubt(slot);
    const limits = { timeoutMs: 5000 };
    const write =
      kind === "delete"
        ? other.delete(toKey("k"), undefined, limits)
        : other.put(toKey("k"), Buffer.alloc(3000), undefined, limits);
    // By then it waits, with the bucket held.
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(other.session.events.lockWaits).toBeGreaterThan(0);
    await owner.run(
      "settle",
      (context: Context) => settle(context, slot, owner.session.clientId),
      limits,
    );
    await write;
    expect((await world.audit()).problems).toEqual([]);
  },
);
