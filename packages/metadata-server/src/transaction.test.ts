// Optimistic transactions: nothing counts but what a commit confirmed.

import { PdpmError, Prng } from "@pdpm/base";
import { expect, test } from "vitest";
import { SceneClock } from "./contract-scene.ts";
import { MemoryStore } from "./memory-store.ts";
import { floorOf } from "./records.ts";
import { attemptsMost, type Call, Transaction, transact } from "./transaction.ts";

const [a, b] = [floorOf(1), floorOf(2)];

function callOver(store: MemoryStore, deadlineAt: number = Number.POSITIVE_INFINITY): Call {
  const prng = new Prng("transaction");
  return { store, clock: new SceneClock(), prng, deadlineAt, commitRecordsMost: 512 };
}

/** Adds one to a record, of which nobody else knows. */
async function bump(store: MemoryStore, name = a): Promise<void> {
  const transaction = new Transaction(store);
  transaction.put(name, ((await transaction.get(name)) ?? 0) + 1);
  expect(await transaction.commit()).toBe(true);
}

test("a transaction sees its own writes, and nobody sees them before the commit", async () => {
  const store = new MemoryStore();
  const transaction = new Transaction(store);
  transaction.put(a, 5);
  expect(await transaction.get(a)).toBe(5);
  expect(await transaction.peek(a)).toBe(5);
  transaction.put(a, undefined);
  expect(await transaction.get(a)).toBeUndefined();
  transaction.put(a, 6);
  expect(await new Transaction(store).get(a)).toBeUndefined();
  expect(await transaction.commit()).toBe(true);
  expect(await new Transaction(store).get(a)).toBe(6);
});

test("a change of anything that was read, also of its absence, starts the work anew", async () => {
  const store = new MemoryStore();
  let tries = 0;
  const sum = await transact(callOver(store), async (transaction) => {
    tries += 1;
    const seen = (await transaction.get(a)) ?? 0;
    if (tries < 3) await bump(store);
    transaction.put(b, seen + 10);
    return seen + 10;
  });
  expect([tries, sum]).toEqual([3, 12]);
});

test("what was only peeked at may change", async () => {
  const store = new MemoryStore();
  let tries = 0;
  await transact(callOver(store), async (transaction) => {
    tries += 1;
    await transaction.peek(a);
    await bump(store);
    transaction.put(b, 1);
  });
  expect(tries).toBe(1);
});

test("an error is reported only if what it rests on still holds", async () => {
  const store = new MemoryStore();
  const refuse = (values: number[]): Promise<number> =>
    transact(callOver(store), async (transaction) => {
      const seen = (await transaction.get(a)) ?? 0;
      const [isTorn, then] = [values.length > 0, values.pop()];
      if (then !== undefined) await bump(store);
      if (isTorn) throw new PdpmError("PDPM_CORRUPT", "two records do not fit together");
      transaction.put(b, seen);
      return seen;
    });
  expect(await refuse([1, 1])).toBe(2);
  const always = transact(callOver(store), async (transaction) => {
    await transaction.get(a);
    throw new PdpmError("PDPM_CORRUPT", "it is so");
  });
  await expect(always).rejects.toThrow("PDPM_CORRUPT: it is so");
});

test("a store that cannot say whether an error holds has its own error reported", async () => {
  const store = new MemoryStore({
    beforeCommit() {
      throw new PdpmError("PDPM_UNAVAILABLE", "no store");
    },
  });
  const refused = transact(callOver(store), async (transaction) => {
    await transaction.get(a);
    throw new PdpmError("PDPM_CORRUPT", "perhaps");
  });
  await expect(refused).rejects.toThrow("PDPM_UNAVAILABLE");
});

test("tries end at their bound, as busy, with nothing applied", async () => {
  const store = new MemoryStore({ conflicts: { prng: new Prng("always"), chance: 1 } });
  let tries = 0;
  const work = transact(callOver(store), async (transaction, attempt) => {
    expect(attempt).toBe(tries);
    tries += 1;
    transaction.put(a, 1);
  });
  await expect(work).rejects.toMatchObject({ code: "PDPM_BUSY", outcome: "not-applied" });
  expect(tries).toBe(attemptsMost);
  expect(await store.get(a.key)).toBeUndefined();
});

test("past the deadline no commit is begun", async () => {
  const store = new MemoryStore();
  const call = callOver(store, 0.0015);
  const work = transact(call, async (transaction) => {
    // The clock goes on with every look.
    call.clock.now();
    transaction.put(a, 1);
  });
  await expect(work).rejects.toMatchObject({ code: "PDPM_TIMEOUT", outcome: "not-applied" });
  expect(await store.get(a.key)).toBeUndefined();
});
