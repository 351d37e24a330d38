// Repair over array memory: damage of slots and of what names them. Whatever the damage, afterwards
// the store is sound, a key has its value or is named as lost, and another repair changes nothing.

import { keyText, toKey } from "@pdpm/kv";
import { beforeEach, describe, expect, test } from "vitest";
import { filled, type Place, type World } from "./contract-scene.ts";
import { type Context, type DirectBackend, repairStore } from "./index.ts";
import { uncommittedOffset } from "./slot-copies.ts";

let world: World;
let client: DirectBackend;
beforeEach(async () => {
  ({ world, client } = await filled());
});

function placeOf(name: string): Promise<Place> {
  return world.placeOf(client, name);
}

test("a sound store is left as it is", async () => {
  const image = world.image();
  const { before, repaired, lost } = await world.repair();
  expect({ before, repaired, lost }).toEqual({ before: [], repaired: [], lost: [] });
  expect(Buffer.compare(image, world.image())).toBe(0);
  expect((await world.audit()).keys).toBe(18);
});

test("while somebody lives who holds something, nothing is repaired", async () => {
  const other = world.client();
  await other.get(toKey("key-3"), {});
  await world.dieIn(other, 1, "key-3", "never");
  world.dead.clear();
  const report = await world.audit(client);
  expect([...report.heldBy]).toEqual([[2, 1]]);
  const mend = world.run(client, (context: Context) => repairStore(context, report));
  await expect(mend).rejects.toThrow(/PDPM_IN_USE: client 2 \(pid 1\) has the store open/);
});

test("a repair that dies, wherever, is only begun again", async () => {
  const next = 24;
  const near = world.neighbours(client, 35);
  for (let changes = 0; ; changes += 2) {
    ({ world, client } = await filled());
    for (const name of near) await world.put(client, name, `value ${name}`);
    const home = await placeOf("key-0");
    world.ruin(client, home.home + next);
    for (const name of ["key-3", "key-12"]) world.ruin(client, (await placeOf(name)).entry);
    for (const name of ["key-4", "key-13"]) world.flip(client, (await placeOf(name)).slot + 58);
    world.flip(client, (await placeOf("key-5")).slot + 2);
    world.flip(client, (await placeOf("key-14")).home + 1);
    await world.dieIn(world.client(), 20, "key-6", "value pending");
    world.flip(client, client.session.geometry.tableWord(1));
    if (!(await world.dieRepairing(changes))) break;
    const { client: after } = await world.repair();
    expect(await world.wrong(after), `dead after ${changes}`).toEqual(["key-13"]);
  }
});

describe("a committed copy", () => {
  const places = { value: 8 + 40 + 8 + 2, key: 8 + 40 + 1, header: 8 + 17, checksum: 8 + 1 };
  for (const [what, offset] of Object.entries(places)) {
    test(`with a damaged ${what} is taken from the uncommitted one`, async () => {
      const { slot } = await placeOf("key-3");
      world.flip(client, slot + offset);
      const { before, repaired, lost, client: after } = await world.repair();
      expect(before).toEqual([expect.stringMatching(/cell chunk \d+ \+ \d+.*"key-3"/)]);
      expect(repaired).toEqual([
        expect.stringMatching(/"key-3" has version 2 from its other copy/),
      ]);
      expect(lost).toEqual([]);
      expect(await world.wrong(after)).toEqual([]);
    });

    test(`with a damaged ${what} and no other is lost, and named`, async () => {
      const { slot } = await placeOf("key-12");
      world.flip(client, slot + offset, 1);
      const { lost, client: after } = await world.repair();
      expect(lost).toEqual([expect.stringMatching(/"k.{5}" is lost: no copy in cell chunk/)]);
      if (what !== "key") expect(lost[0]).toContain('"key-12"');
      expect(await world.wrong(after)).toEqual(["key-12"]);
      // Its versions go on above the lost one.
      expect(await after.put(toKey("key-12"), Buffer.from("again"), 0, {})).toBeGreaterThan(1);
    });
  }

  test("is not taken from a copy that an earlier life of the slot left", async () => {
    const { slot, sizeClass } = await placeOf("key-3");
    await world.delete(client, "key-3");
    let taken = "new";
    for (let i = 0; i < 200 && (await world.find(client, taken))?.slot !== slot; i += 1) {
      taken = `new-${i}`;
      await world.put(client, taken, `value ${i}`);
    }
    const old = world.read(client, slot + uncommittedOffset(sizeClass) + 40, 5);
    expect(Buffer.from(old).toString()).toBe("key-3");
    world.flip(client, slot + 8 + 40 + 8 + 2);
    const { lost, client: after } = await world.repair();
    expect(lost).toEqual([expect.stringContaining(keyText(toKey(taken)))]);
    expect(await world.wrong(after)).toEqual([taken]);
  });
});

describe("a state word", () => {
  for (let byte = 0; byte < 8; byte += 1) {
    test(`with byte ${byte} damaged is rebuilt from the slot's copy`, async () => {
      for (const name of ["key-3", "key-12"]) {
        const before = world.word(client, (await placeOf(name)).slot);
        world.flip(client, (await placeOf(name)).slot + byte, 0x41);
        const { lost, client: after } = await world.repair();
        expect(lost).toEqual([]);
        expect(await world.wrong(after)).toEqual([]);
        expect(world.word(client, (await placeOf(name)).slot)).toBe(before);
      }
    });
  }

  test("of a free cell becomes free, with the lives that its copies show", async () => {
    const { slot } = await placeOf("key-17");
    await world.delete(client, "key-17");
    const before = world.word(client, slot);
    world.ruin(client, slot);
    const { repaired, lost, client: after } = await world.repair();
    expect(lost).toEqual([]);
    expect(repaired).toEqual([expect.stringMatching(/freed$/)]);
    expect(world.word(client, slot)).toBe(before);
    expect(await world.wrong(after)).toEqual([]);
  });

  test("of a slot whose committed copy does not verify either loses the key", async () => {
    const { slot } = await placeOf("key-3");
    world.ruin(client, slot);
    world.flip(client, slot + 8 + 17);
    const { lost, client: after } = await world.repair();
    expect(lost).toEqual([expect.stringContaining('"key-3"')]);
    expect(await world.wrong(after)).toEqual(["key-3"]);
  });
});

describe("an entry word", () => {
  for (let byte = 0; byte < 8; byte += 1) {
    test(`with byte ${byte} damaged names its slot again`, async () => {
      const { entry } = await placeOf("key-12");
      const before = world.word(client, entry);
      world.flip(client, entry + byte, 0x24);
      await expect(async () => world.client().get(toKey("key-12"), {})).rejects.toThrow(
        /PDPM_CORRUPT: .*"key-12"/,
      );
      const { repaired, lost, client: after } = await world.repair();
      expect(repaired).toEqual([expect.stringContaining('the slot of "key-12" again')]);
      expect(lost).toEqual([]);
      expect(world.word(client, entry)).toBe(before);
      expect(await world.wrong(after)).toEqual([]);
    });
  }

  test("that cannot be read at all gives way to the slot that nobody names", async () => {
    for (const name of ["key-3", "key-12"]) world.ruin(client, (await placeOf(name)).entry);
    const { lost, client: after } = await world.repair();
    expect(lost).toEqual([]);
    expect(await world.wrong(after)).toEqual([]);
  });

  test("that named nothing is cleared, and nothing is lost", async () => {
    const { entry } = await placeOf("key-12");
    world.flip(client, entry + 8);
    const { repaired, lost } = await world.repair();
    expect(repaired).toEqual([expect.stringMatching(/cleared$/)]);
    expect(lost).toEqual([]);
  });

  test("that is damaged together with its slot loses the key", async () => {
    const { entry, slot } = await placeOf("key-12");
    world.ruin(client, entry);
    world.flip(client, slot + 8 + 17);
    const { lost, client: after } = await world.repair();
    expect(lost).toEqual([
      expect.stringMatching(/entry chunk 0 \+ \d+: the key that it named cannot be told/),
    ]);
    expect(await world.wrong(after)).toEqual(["key-12"]);
  });

  test("that is gone leaves a slot that nobody names, which is freed and reported", async () => {
    const { entry } = await placeOf("key-12");
    world.memory.write(world.offsetOf(client, entry), new Uint8Array(8));
    const { before, lost, client: after } = await world.repair();
    expect(before).toEqual([expect.stringMatching(/"key-12": live, but no bucket names it/)]);
    expect(lost).toEqual([expect.stringMatching(/^"key-12" is lost, if it was not deleted/)]);
    expect(await world.wrong(after)).toEqual(["key-12"]);
  });

  test("that names a cell a second time, or none, is cleared", async () => {
    const { entry, home } = await placeOf("key-12");
    const word = world.read(client, entry, 8);
    world.memory.write(world.offsetOf(client, entry + 8), word);
    const other = await placeOf("key-3");
    world.memory.write(world.offsetOf(client, other.entry), word);
    expect(other.home).not.toBe(home);
    const { lost, client: after } = await world.repair();
    expect(lost.length).toBeGreaterThan(0);
    expect(await world.wrong(after)).toEqual(["key-3"]);
  });
});
