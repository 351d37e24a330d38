// The directory: heads move only from where the caller believes them to be, and never onto free
// space.

import { expect, test } from "vitest";
import { bits, buffer, key, scene } from "./contract-scene.ts";
import type { Change } from "./protocol.ts";

const k = key("k");
const create = (index: number, commitNumber = 1, name = k) =>
  ({ do: "create", key: name, pointer: buffer(1, index), commitNumber }) as const;
const forget = (index: number, commitNumber: number, freed: number[] = [index]) =>
  ({
    do: "forget",
    key: k,
    head: buffer(1, index),
    commitNumber,
    freed: freed.map((at) => buffer(1, at)),
  }) as const;
const move = (from: number, to: number, freed: number[] = [from], name = k) => ({
  key: name,
  head: buffer(1, from),
  next: buffer(1, to),
  freed: freed.map((at) => buffer(1, at)),
});
const advance = (...moves: ReturnType<typeof move>[]) => ({ do: "advance", moves }) as const;

test("a key is created once, in a buffer that is leased to its creator", async () => {
  const { one, two } = await scene();
  await one.lease(1);
  await two.lease(1);
  expect(await one.do(create(12))).toBe("notLeased");
  expect(await one.do({ ...create(0), pointer: buffer(9, 0) })).toBe("notLeased");
  expect(await one.do({ ...create(0), pointer: buffer(1, 0) + 1n })).toBe("notLeased");
  expect(await one.do(create(0))).toBe("created");
  expect(await one.do(create(0))).toBe("created");
  expect(await two.do(create(12))).toEqual({ exists: buffer(1, 0) });
});

test("of two creations at once one is told of the other", async () => {
  const { one, two, before } = await scene();
  await one.lease(1);
  await two.lease(1);
  before(() => two.do(create(12)));
  expect(await one.do(create(0))).toEqual({ exists: buffer(1, 12) });
});

test("a buffer that was given back half a moment ago is not leased", async () => {
  const { one, before } = await scene();
  const spans = await one.lease(1);
  const ticket = { client: 1, slot: 1, sequence: 1 };
  before(() => one.service.handle({ ticket, change: { do: "giveBack", spans } }));
  expect(await one.do(create(0))).toBe("notLeased");
});

test("a new life of a key starts above the last one, also when they meet", async () => {
  const { one, two, before } = await scene();
  await one.lease(1);
  await two.lease(1);
  await one.do(create(0));
  expect(await one.do(forget(0, 7))).toBe("forgotten");
  expect(await one.do(create(1, 7))).toEqual({ floor: 7 });
  expect(await one.do(create(1, 8))).toBe("created");
  expect(await one.do(forget(1, 5))).toBe("forgotten");
  expect(await one.ask({ ask: "lookup", key: k })).toEqual({ head: null, stale: [], floor: 7 });
  // A whole life passes between the reads of a creation and its commit.
  before(async () => {
    await two.do(create(12, 8));
    await two.do(forget(12, 20));
  });
  expect(await one.do(create(2, 9))).toEqual({ floor: 20 });
});

test("moves that match are made, the others are answered with the head", async () => {
  const { one, two } = await scene();
  await one.lease(60);
  const names = ["a", "b", "c"].map(key);
  for (const [i, name] of names.entries()) await one.do(create(i, 1, name));
  const moves = [
    move(0, 10, [0], names[0]),
    move(9, 11, [9], names[1]),
    move(2, 13, [2, 12], names[2]),
    move(3, 14, [3], key("missing")),
  ];
  const replies = ["moved", { head: buffer(1, 1) }, "moved", { head: null }];
  expect(await two.do(advance(...moves))).toEqual(replies);
  expect(await two.do(advance(...moves))).toEqual(replies);
  expect(await one.ask({ ask: "lookup", key: names[2] as Uint8Array })).toMatchObject({
    head: buffer(1, 13),
  });
  expect(await one.ask({ ask: "space" })).toMatchObject([{ free: 3, leased: 48 }]);
});

test("nothing is freed twice, and no head moves onto a free buffer", async () => {
  const { one } = await scene();
  await one.lease(60);
  await one.do(create(0));
  await one.do(advance(move(0, 1)));
  const corrupt = (change: Change): Promise<void> =>
    expect(one.do(change)).rejects.toThrow(/PDPM_CORRUPT: .*chunk 1 \+ 0, GC version 1/);
  await corrupt(advance(move(1, 2, [1, 0])));
  await corrupt(advance(move(1, 0, [1])));
  await corrupt(forget(1, 9, [1, 0]));
  const nowhere = advance({ ...move(1, 2), next: buffer(77, 0) });
  await expect(one.do(nowhere)).rejects.toThrow(/PDPM_CORRUPT: .*chunk 77 \+ 0, GC version 1/);
  // Damage stops what meets it, and nothing else.
  expect(await one.ask({ ask: "lookup", key: k })).toMatchObject({ head: buffer(1, 1) });
  expect(await one.do(advance(move(1, 2)))).toEqual(["moved"]);
});

test("who moves a head while another does sees no damage", async () => {
  const { one, two, before } = await scene();
  await one.lease(60);
  await one.do(create(0));
  before(() => two.do(advance(move(0, 1))));
  expect(await one.do(advance(move(0, 2, [0, 1])))).toEqual([{ head: buffer(1, 1) }]);
  before(() => two.do(forget(1, 9)));
  expect(await one.do(forget(1, 9))).toEqual({ head: null });
});

test("a version may be freed before its writer has given its span back", async () => {
  const { one, two } = await scene();
  const [part] = await one.lease(1);
  await one.do(create(0));
  await two.do(advance(move(0, 1)));
  expect(await one.ask({ ask: "space" })).toMatchObject([{ free: 40, leased: 11, taken: 0 }]);
  // One does not know whether it linked buffer 0, and says that it is unused: so it is.
  const spans = [{ chunk: 1, span: 0, bitmap: bits(0, 2, 3) }];
  expect(await one.do({ do: "giveBack", spans })).toBe("done");
  expect(await one.ask({ ask: "space" })).toMatchObject([{ free: 42, leased: 0, taken: 9 }]);
  expect(part?.span).toBe(0);
});

test("Central: a superseded cell stays known until it was cleaned", async () => {
  const { one, two } = await scene();
  await one.lease(1);
  await one.do(create(0));
  const supersede = (from: number, to: number) =>
    ({ do: "supersede", key: k, expected: buffer(1, from), pointer: buffer(1, to) }) as const;
  expect(await two.do(supersede(0, 1))).toBe("notLeased");
  expect(await one.do(supersede(0, 1))).toBe("done");
  expect(await one.do(supersede(0, 1))).toBe("done");
  expect(await one.do(supersede(0, 2))).toEqual({ head: buffer(1, 1) });
  expect(await one.do(supersede(1, 2))).toBe("done");
  const stale = [buffer(1, 0), buffer(1, 1)];
  const found = { head: buffer(1, 2), stale, floor: 0 };
  expect(await one.ask({ ask: "lookup", key: k })).toEqual(found);
  await expect(one.do(forget(2, 3))).rejects.toThrow("PDPM_INVALID_ARGUMENT");
  await expect(one.do(forget(2, 3, [0, 1]))).rejects.toThrow("PDPM_INVALID_ARGUMENT");

  const clean = (...cells: number[]) =>
    ({ do: "clean", cells: [{ key: k, stale: cells.map((at) => buffer(1, at)) }] }) as const;
  expect(await one.do(clean(0, 5))).toEqual(["unknown"]);
  expect(await one.do(clean(0))).toEqual(["cleaned"]);
  expect(await one.do(clean(0))).toEqual(["unknown"]);
  expect(await one.do(clean(2))).toEqual(["unknown"]);
  expect(await one.ask({ ask: "lookup", key: k })).toMatchObject({ stale: [buffer(1, 1)] });
  expect(await one.do(forget(2, 3, [2, 1]))).toBe("forgotten");
  expect(await one.ask({ ask: "space" })).toMatchObject([{ free: 42, leased: 9 }]);
});

test("keys come in byte order, by prefix, page by page, each once", async () => {
  const { one } = await scene();
  await one.lease(60);
  const names = [[1], [1, 0], [1, 255], [1, 255, 255], [2], [255], [255, 255]].map((bytes) =>
    Uint8Array.from(bytes),
  );
  for (const [i, name] of [...names].reverse().entries()) await one.do(create(i, 1, name));
  const pageOf = async (
    prefix: number[],
    after: Uint8Array | null,
    limit: number,
  ): Promise<readonly Uint8Array[]> => {
    const page = await one.ask({ ask: "keys", prefix: Uint8Array.from(prefix), after, limit });
    for (const { key: name, head } of page) {
      expect(await one.ask({ ask: "lookup", key: name })).toMatchObject({ head });
    }
    return page.map(({ key: name }) => name);
  };
  const seen: Uint8Array[] = [];
  for (let after: Uint8Array | null = null; ; after = seen.at(-1) as Uint8Array) {
    const page = await pageOf([], after, 2);
    seen.push(...page);
    if (page.length < 2) break;
  }
  expect(seen).toEqual(names);
  expect(await pageOf([1, 255], null, 9)).toEqual(names.slice(2, 4));
  expect(await pageOf([255], null, 9)).toEqual(names.slice(5));
  expect(await pageOf([1], Uint8Array.of(0), 9)).toEqual(names.slice(0, 4));
  expect(await pageOf([1], Uint8Array.of(1, 0), 1)).toEqual(names.slice(2, 3));
  expect(await pageOf([1], Uint8Array.of(2), 9)).toEqual([]);
});

test("many keys are forgotten at once, each for itself", async () => {
  const { one } = await scene();
  await one.lease(3);
  await one.do(create(0, 5, key("a")));
  await one.do(create(1, 6, key("b")));
  const forgotten = (name: string, index: number, commitNumber: number) => ({
    key: key(name),
    head: buffer(1, index),
    commitNumber,
    freed: [buffer(1, index)],
  });
  const keys = [forgotten("a", 0, 5), forgotten("b", 2, 6), forgotten("c", 1, 7)];
  const replies = await one.do({ do: "forgetMany", keys });
  expect(replies).toEqual(["forgotten", { head: buffer(1, 1) }, { head: null }]);
  expect(await one.do(create(2, 5, key("a")))).toEqual({ floor: 5 });
  expect(await one.do(create(2, 6, key("a")))).toBe("created");
});
