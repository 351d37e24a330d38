// A writer that stopped while it held a slot, and left its bytes torn: whoever reads waits until
// its deadline, and then knows for whom.

import { PdpmError } from "@pdpm/base";
import { toKey } from "@pdpm/kv";
import { type Address, CellState, decodeState, stateWord, valueOffset } from "@pdpm/layout";
import { expect, test } from "vitest";
import { World } from "./contract-scene.ts";
import type { DirectBackend } from "./direct-backend.ts";
import { committedOffset } from "./slot-view.ts";

const name = "torn";
const key = toKey(name);

/** `world` with a writer that lives, and holds the slot of `name` in the middle of an update. */
async function stoppedWriter(
  world: World,
  client: DirectBackend,
): Promise<{ slot: Address; text: string }> {
  await world.put(client, name, "before");
  const { slot } = await world.placeOf(client, name);
  for (let rounds = 1; rounds < 20; rounds += 1) {
    const writer = world.client();
    const { clientId } = writer.session;
    await world.dieIn(writer, rounds, name, "later!");
    world.dead.delete(clientId);
    const word = decodeState(world.word(client, slot));
    if (word?.owner === clientId) return { slot, text: `by client ${clientId} (pid 1)` };
    expect(world.word(client, slot)).toBe(stateWord(CellState.live, word?.incarnation ?? -1, 0));
  }
  throw new Error("no writer held the slot");
}

async function failureOf(work: Promise<unknown>): Promise<PdpmError> {
  const error = await work.then(
    () => undefined,
    (failure: unknown) => failure,
  );
  expect(error).toBeInstanceOf(PdpmError);
  return error as PdpmError;
}

async function scan(client: DirectBackend): Promise<void> {
  for await (const _ of client.keys({ timeoutMs: 60 }));
}

test("a reader of a torn value names the writer's client id and pid", async () => {
  const world = new World();
  const client = world.client();
  const { slot, text } = await stoppedWriter(world, client);
  world.flip(client, slot + committedOffset + valueOffset(key.length));
  for (const reader of [client, world.client()]) {
    const error = await failureOf(Promise.resolve(reader.get(key, { timeoutMs: 60 })));
    expect(error).toMatchObject({ code: "PDPM_BUSY", outcome: "not-applied" });
    expect(error.message).toContain(`"torn" is being written ${text}`);
  }
});

test("so does one that looks the key up, and an iteration, when the header is torn", async () => {
  const world = new World();
  const client = world.client();
  const { slot, text } = await stoppedWriter(world, client);
  world.flip(client, slot + committedOffset);
  const reader = world.client();
  const error = await failureOf(Promise.resolve(reader.get(key, { timeoutMs: 60 })));
  expect(error).toMatchObject({ code: "PDPM_BUSY", outcome: "not-applied" });
  expect(error.message).toContain(`"torn" is being changed ${text}`);
  const scanned = await failureOf(scan(reader));
  expect(scanned.code).toBe("PDPM_BUSY");
  expect(scanned.message).toMatch(/^PDPM_BUSY: bucket .* is being changed/);
  expect(scanned.message).toContain(text);
});

test("a copy of the cell's last life is not believed, however whole it is", async () => {
  const world = new World();
  const client = world.client();
  await world.put(client, name, "first life");
  const { slot } = await world.placeOf(client, name);
  const length = valueOffset(key.length) + "first life".length;
  const old = world.read(client, slot + committedOffset, length).slice();
  const incarnation = decodeState(world.word(client, slot))?.incarnation as number;
  // Cells come back in turn; until this one does, others take what it held.
  for (let i = 0; ; i += 1) {
    await world.delete(client, name);
    await world.put(client, name, "later life");
    if ((await world.placeOf(client, name)).slot === slot) break;
    expect(i).toBeLessThan(10_000);
  }
  expect(decodeState(world.word(client, slot))?.incarnation).toBe(incarnation + 1);
  for (const [i, byte] of old.entries()) {
    const at = slot + committedOffset + i;
    world.flip(client, at, (world.read(client, at, 1)[0] as number) ^ byte);
  }
  for (const reader of [client, world.client()]) {
    const error = await failureOf(Promise.resolve(reader.get(key, {})));
    expect(error.code).toBe("PDPM_CORRUPT");
  }
});
