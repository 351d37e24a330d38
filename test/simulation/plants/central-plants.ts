// Planted bugs of Central's coordinator.

import type { Plant } from "./plant.ts";

const source = "packages/central/src";
const designs = ["central"] as const;

/** What is in the coordinator's memory, and in whose name it answers. */
const office: readonly Plant[] = [
  {
    name: "fence-before-take-over",
    hazard: "H6",
    designs,
    file: "test/simulation/central-world.ts",
    find: "if (!alive) seat?.fence();",
    replace: "",
    why: "What a deposed coordinator had posted is applied behind the next one's back.",
  },
  {
    name: "mapping-before-transaction",
    hazard: "H24",
    designs,
    file: `${source}/commit.ts`,
    find: "const reply = yield* transact<Supersede>(context, key, cell, wanted);",
    replace: `const bytes = cellBytes(keyBytes(key).length, cell.value.length);
      context.session.mapping.set(key, { pointer, commitNumber: cell.commitNumber, bytes });
      const reply = yield* transact<Supersede>(context, key, cell, wanted);`,
    why: "A value is read whose transaction fails, or dies with the coordinator.",
  },
  {
    name: "leased-cells-not-taken-back",
    hazard: "H9",
    designs,
    file: `${source}/takeover.ts`,
    find: "    yield* reap(context, id);",
    replace: "",
    why: "What a dead coordinator held is never free again.",
  },
  {
    name: "recorded-cell-reaped",
    hazard: "H9",
    designs,
    file: `${source}/reap.ts`,
    find: "if (record.head === header.self || record.stale.includes(header.self)) continue;",
    replace: "",
    why: "A cell that a dead coordinator had mapped is freed.",
  },
  {
    name: "write-carried-out-twice",
    hazard: "H15",
    designs,
    file: `${source}/request-windows.ts`,
    find: "if (last?.sequence === sequence) return last.answer;",
    replace: "",
    why: "A client's write that is delivered twice takes effect twice.",
  },
  {
    name: "old-write-carried-out",
    hazard: "H15",
    designs,
    file: `${source}/request-windows.ts`,
    find: "last !== undefined && last.sequence > sequence",
    replace: "last === null",
    why: "A client's write that comes late takes effect after a later one.",
  },
  {
    name: "place-not-zeroed",
    hazard: "H17",
    designs,
    file: `${source}/empty-chunk.ts`,
    find: "yield* zero(context, chunk);",
    replace: "",
    why: "Cells of a new chunk begin with words of an old one.",
  },
  {
    name: "entry-not-locked",
    hazard: "H2",
    designs,
    file: `${source}/entry-locks.ts`,
    find: "if (entry.hasWriter || entry.queue.length > 0) return false;",
    replace: "",
    also: [
      {
        file: `${source}/entry-locks.ts`,
        find: "if (next.writes && entry.readers > 0) return;",
        replace: "",
      },
      {
        file: `${source}/entry-locks.ts`,
        find: "if (this.#entries.has(key)) yield* this.#wait(context, key, true);\n    else ",
        replace: "",
      },
      {
        file: `${source}/entry-locks.ts`,
        find: 'const entry = this.#held(key);\n    assert(entry.readers > 0, "a reader that leaves has come");\n    entry.readers -= 1;',
        replace:
          "const entry = this.#entries.get(key);\n    if (entry === undefined) return;\n    entry.readers -= 1;",
      },
      {
        file: `${source}/entry-locks.ts`,
        find: "const entry = this.#held(key);\n    assert(entry.hasWriter,",
        replace:
          "const entry = this.#entries.get(key);\n    if (entry === undefined) return;\n    assert(true,",
      },
    ],
    why: "A cell is freed and written anew under a reader.",
  },
];

/** H7, H22 and H23: which cells are valid. */
const cells: readonly Plant[] = [
  {
    name: "cell-not-flushed",
    hazard: "H7",
    designs,
    file: `${source}/new-cell.ts`,
    find: "...session.flushes(address, bytes.length)",
    replace: "...session.flushes(address, 8)",
    why: "The directory leads to a cell that a power failure takes away.",
  },
  {
    name: "new-number-not-written",
    hazard: "H22",
    designs,
    file: `${source}/new-cell.ts`,
    find: "yield* this.#write(this.image.subarray(0, bufferHeaderBytes));",
    replace: "",
    why: "A write is acknowledged with a number that its cell has not.",
  },
  {
    name: "superseded-cell-not-wiped",
    hazard: "H23",
    designs,
    file: `${source}/clean.ts`,
    find: "yield* wipe(\n      context,\n      left.flatMap(({ pointers }) => pointers),\n    );",
    replace: "",
    why: "A repair revives a value that was replaced.",
  },
  {
    name: "superseded-wipe-not-flushed",
    hazard: "H23",
    designs,
    file: `${source}/wipe.ts`,
    find: "yield* round(...some.map(wipePost), ...wipeFlushes(session, some));",
    replace: "yield* round(...some.map(wipePost));",
    why: "A power failure makes a superseded cell valid that is leased again.",
  },
  {
    name: "delete-wipes-the-last-cell-only",
    hazard: "H23",
    designs,
    file: `${source}/delete.ts`,
    find: "yield* wipe(context, stale);",
    replace: "",
    why: "A repair revives a deleted key with an older value.",
  },
  {
    name: "wipe-not-flushed",
    hazard: "H23",
    designs,
    file: `${source}/delete.ts`,
    find: "...wipeFlushes(session, [head])",
    replace: "",
    why: "A power failure makes a deleted key's cell valid again.",
  },
  {
    name: "dead-cells-not-wiped",
    hazard: "H23",
    designs,
    file: `${source}/reap.ts`,
    find: "if (header.headMark !== 0n) yield* wipeAt(context, address);",
    replace: "if (header.headMark !== 0n) {}",
    why: "A repair finds a value that a dead coordinator never mapped.",
  },
  {
    name: "abandoned-cell-not-wiped",
    hazard: "H23",
    designs,
    file: `${source}/new-cell.ts`,
    find: "yield* wipe(this.#context, [this.pointer]);",
    replace: "",
    why: "A repair finds a value whose write was refused.",
  },
  {
    name: "central-high-water-not-raised",
    hazard: "H23",
    designs,
    file: `${source}/high-water.ts`,
    find: "while (session.highWater < commitNumber) {",
    replace: "while (commitNumber < 0) {",
    why: "A repair starts numbers below those that were used.",
  },
];

export const centralPlants: readonly Plant[] = [...office, ...cells];
