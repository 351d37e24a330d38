// The lease of a span ends once, also when nobody heard that it did.

import { PdpmError } from "@pdpm/base";
import { expect, test } from "vitest";
import { audit } from "./contract-audit.ts";
import { changeIn, World } from "./contract-scene.ts";
import { handBack } from "./hand-back.ts";

test("a report that was stopped is not made again in other words", async () => {
  const world = new World();
  const host = await world.start();
  host.housekeeping.end();
  const client = await world.client();
  await world.put(client, "before", "v");
  const { pool } = host.coordinator.session;
  let reports = 0;
  // The service does what it is told, and its answers are lost.
  world.replyHook = ({ request }) => {
    if (changeIn(request) !== "giveBack") return;
    reports += 1;
    throw new PdpmError("PDPM_TIMEOUT", "late", { outcome: "unknown" });
  };
  const giving = host.coordinator.run("test", (context) => handBack(context, () => true), {
    timeoutMs: 20,
  });
  await expect(giving).rejects.toThrow(/PDPM_(BUSY|TIMEOUT)/);
  while (pool.reports.size === 0 || [...pool.reports].some(({ isUnderWay }) => isUnderWay)) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(reports).toBeGreaterThan(1);
  expect(pool.count(0)).toBe(0);
  expect(pool.hasUsedUp).toBe(true);
  world.replyHook = undefined;
  // The same span again, and some of it is in use by now.
  await world.put(client, "after", "v");
  expect(pool.hasUsedUp).toBe(false);
  const { head } = await world.lookup("after");
  for (let i = 0; i < 40; i += 1) await world.put(client, `key ${i}`, "v");
  expect((await world.lookup("after")).head).toBe(head);
  await client.stats();
  expect(await audit(world)).toEqual([]);
  await world.close();
});
