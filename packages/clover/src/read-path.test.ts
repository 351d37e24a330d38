// What a warm get may cost: a shortcut is a hint, and never a reason to ask anybody (H8).

import { toKey } from "@pdpm/kv";
import { addressOf, pointerTo } from "@pdpm/layout";
import { expect, test } from "vitest";
import { World } from "./contract-scene.ts";
import { publishShortcuts } from "./shortcut-cells.ts";

test("a shortcut into a chunk that there is not costs a warm get no call", async () => {
  const world = new World();
  const [writer, reader] = [await world.client(), await world.client()];
  await writer.put("key", "first");
  await reader.get("key");
  const nowhere = pointerTo(addressOf(4000, 0), 1);
  const calls = () => reader.backend.counters().operations["get"]?.calls;
  const before = calls();
  for (let i = 0; i < 10; i += 1) {
    // One hop, or many: both look at the shortcut.
    for (let n = i % 2 ? 1 : 6; n > 0; n -= 1) await writer.put("key", `value ${i}.${n}`);
    await writer.run(publishShortcuts);
    await world.setWord(reader.session.shortcuts.cell(toKey("key")), nowhere);
    expect(await reader.get("key")).toBe(`value ${i}.1`);
  }
  expect(calls()).toBe(before);
});
