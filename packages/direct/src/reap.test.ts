// What this client is in doubt about is settled, and what it cannot be sure of even then stays in
// doubt: nobody else may let go of a lock whose holder lives.

import { PdpmError, systemClock } from "@pdpm/base";
import { rootWords } from "@pdpm/layout";
import { type Replies, type Router, Runner, Verb } from "@pdpm/verbs";
import { expect, test } from "vitest";
import { World } from "./contract-scene.ts";
import { settle } from "./reap.ts";
import { lockTable } from "./table-lock.ts";

test("a lock whose release is not known to have arrived stays in doubt, until it is", async () => {
  const world = new World();
  const client = world.client();
  const { session } = client;
  const router = world.routers.get(session.clientId) as Router;
  const { tableLock } = rootWords;
  const free = world.word(world.client(), tableLock);
  /** Settles; the reply of the round that lets go is lost, and with it the round if `isLost`. */
  const settleOnce = async (isLost: boolean, isUnknown: boolean): Promise<void> => {
    const operation = new Runner(router, systemClock).operation("settle");
    const protocol = settle({ session, operation }, tableLock, session.clientId);
    for (let step = protocol.next(); !step.done; ) {
      const isRelease = step.value.some(
        ({ verb, address, desiredWord }) =>
          verb === Verb.compareAndSwap && address === tableLock && desiredWord === free,
      );
      const replies = isRelease && isLost ? [] : ((await router.post(step.value)) as Replies);
      const lost = new PdpmError("PDPM_UNAVAILABLE", "the connection broke", {
        outcome: "unknown",
      });
      step = protocol.next(isRelease && isUnknown ? step.value.map(() => lost) : replies);
    }
  };
  await world.run(client, lockTable);
  session.doubt(tableLock);
  for (const isLost of [true, false]) {
    await settleOnce(isLost, true);
    expect([...session.doubts]).toEqual([tableLock]);
    expect(world.word(world.client(), tableLock) === free).toBe(!isLost);
  }
  await settleOnce(false, false);
  expect(session.doubts.size).toBe(0);
  expect(world.word(world.client(), tableLock)).toBe(free);
});

test("what could not be looked at stays in doubt", async () => {
  const world = new World();
  const { session } = world.client();
  session.doubt(rootWords.tableLock);
  const runner = new Runner(world.routers.get(session.clientId) as Router, systemClock);
  const context = { session, operation: runner.operation("settle") };
  const protocol = settle(context, rootWords.tableLock, session.clientId);
  protocol.next();
  expect(() => protocol.next([new PdpmError("PDPM_UNAVAILABLE", "no")])).toThrow("no");
  expect([...session.doubts]).toEqual([rootWords.tableLock]);
});
