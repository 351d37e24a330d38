// Planted bugs of Direct.

import type { Plant } from "./plant.ts";

const source = "packages/direct/src";
const layout = "packages/layout/src";
const designs = ["direct"] as const;

/** H1, H5 and H20: what a slot says, and who may say it. */
const slots: readonly Plant[] = [
  {
    name: "value-checksum-not-verified",
    hazard: "H1",
    designs,
    file: `${layout}/slot-copy.ts`,
    find: 'return isStagedChecksum(8, start - offset, end - offset) ? "ok" : "torn";',
    replace: 'return "ok";',
    also: [
      {
        file: `${layout}/slot-copy.ts`,
        find: 'return isStagedChecksum(offset + 8, start, end) ? "ok" : "torn";',
        replace: 'return "ok";',
      },
    ],
    why: "A reader returns a value that a writer is storing, half old, half new.",
  },
  {
    name: "slot-not-locked",
    hazard: "H5",
    designs,
    file: `${source}/slot-lock.ts`,
    find: "const mine = session.myWord(CellState.live, incarnation);",
    replace: "const mine = idle;",
    why: "Two writers store into one slot at once.",
  },
  {
    name: "lock-not-recovered",
    hazard: "H5",
    designs,
    file: `${source}/slot-lock.ts`,
    find: "yield* recoverSlot(context, slot, word.owner, key, chain);",
    replace: "",
    why: "A dead client's lock keeps its key locked for ever.",
  },
  {
    name: "uncommitted-copy-undone",
    hazard: "H5",
    designs,
    file: `${source}/recovery.ts`,
    find: "yield* redo(context, yield* readCell(slot, sizeClass), sizeClass);",
    replace: "",
    why: "An update that may have been seen is undone, or its torn copy stays.",
  },
  {
    name: "aborted-write-undone",
    hazard: "H5",
    designs,
    file: `${source}/holds.ts`,
    find: 'if (context.operation.outcome === "not-applied") {',
    replace: "if (holds.length > 0) {",
    why: "An aborting client lets go of what may be committed, half done.",
  },
  {
    name: "fence-before-dead",
    hazard: "H6",
    designs,
    file: "test/simulation/direct-world.ts",
    find: "if (isNoticed || isSuspected) this.interleaver.fence(judged);",
    replace: "if (isNoticed || isSuspected) return { alive: false, who };",
    why: "What a dead client had posted is applied to what others hold by now.",
  },
  {
    name: "slot-life-not-compared",
    hazard: "H20",
    designs,
    file: `${source}/read-path.ts`,
    find: 'if (word.incarnation !== cursor.incarnation) return "gone";',
    replace: "",
    also: [
      {
        file: `${source}/slot-view.ts`,
        find: "u32At(image, 4), incarnation)) return undefined;",
        replace: "u32At(image, 4), u32At(image, 0) & 0x3ffffff)) return undefined;",
      },
    ],
    why: "A cursor reads a slot in another key's life.",
  },
  {
    name: "dead-slot-read",
    hazard: "H20",
    designs,
    file: `${source}/read-path.ts`,
    find: "if (word.state === CellState.dead) return yield* goneForGood(context, slot);",
    replace: "",
    also: [
      {
        file: `${source}/read-path.ts`,
        find: 'if (word.state !== CellState.live) return "gone";',
        replace: "",
      },
    ],
    why: "A value is read after its delete, or after its move and an update there.",
  },
  {
    name: "slot-free-before-its-entry",
    hazard: "H20",
    designs,
    file: `${source}/delete.ts`,
    find: "const dead = session.myWord(CellState.dead, incarnation);",
    replace: "const dead = stateWord(CellState.free, incarnation, 0);",
    why: "A bucket names a slot that is another key's by now.",
  },
  {
    name: "spent-cells-handed-out",
    hazard: "H20",
    designs,
    file: `${source}/slot-pool.ts`,
    find: "if (word?.state !== CellState.free || word.incarnation >= incarnationMost) continue;",
    replace: "if (word?.state !== CellState.free) continue;",
    why: "Incarnations run out, and would begin anew.",
  },
];

/** H9, H14, H17, H21 and H22: buckets, cells and chunks. */
const structure: readonly Plant[] = [
  {
    name: "dead-claims-kept",
    hazard: "H9",
    designs,
    file: `${source}/recovery.ts`,
    find: "if (word.state === CellState.claimed) {\n    yield* free(context, slot, word);",
    replace: "if (word.state === CellState.claimed) {",
    why: "A cell that a dead client had claimed is never free again.",
  },
  {
    name: "bucket-not-locked",
    hazard: "H21",
    designs,
    file: `${source}/bucket-lock.ts`,
    find: "const hold = new Hold(home, session.lockWord, 0n);",
    replace: "const hold = new Hold(home, 0n, 0n);",
    why: "Two inserts of one key both succeed.",
  },
  {
    name: "insert-without-a-look",
    hazard: "H21",
    designs,
    file: `${source}/insert.ts`,
    find: "const placed = yield* findLocked(context, key, chain);",
    replace: "const placed = undefined;",
    why: "A key is inserted that somebody else inserted meanwhile.",
  },
  {
    name: "floor-not-raised",
    hazard: "H22",
    designs,
    file: `${source}/delete.ts`,
    find: "...raiseFloor(context, chain, copy.commitNumber),",
    replace: "",
    why: "A key that was deleted and created anew repeats its numbers.",
  },
];

/** H5 and H7: what is durable before what. */
const durable: readonly Plant[] = [
  {
    name: "committed-copy-not-flushed",
    hazard: "H7",
    designs,
    file: `${source}/write-path.ts`,
    find: "...session.flushes(slot + committedOffset, image.length),",
    replace: "",
    why: "A power failure opens the lock of a slot whose copy is torn.",
  },
  {
    name: "first-copy-not-flushed",
    hazard: "H7",
    designs,
    file: `${source}/insert.ts`,
    find: "const before = [write(at, image), ...session.flushes(at, image.length)];",
    replace: "const before = [write(at, image)];",
    why: "A durable entry leads to bytes that a power failure takes away.",
  },
  {
    name: "entry-not-flushed",
    hazard: "H7",
    designs,
    file: `${source}/insert.ts`,
    find: "commitPoint(compareAndSwap(at, 0n, entry)), // 4.\n      ...session.flushes(at, 8),",
    replace: "commitPoint(compareAndSwap(at, 0n, entry)),",
    why: "An acknowledged insert is lost with the power.",
  },
  {
    name: "replaced-entry-not-flushed",
    hazard: "H7",
    designs,
    file: `${source}/bucket-repair.ts`,
    find: "return [...posts, ...context.session.flushes(at, 8)];",
    replace: "return posts;",
    why: "After a power failure a bucket names a slot that is free, or another key's.",
  },
  {
    name: "uncommitted-copy-not-flushed",
    hazard: "H5",
    designs,
    file: `${source}/write-path.ts`,
    find: "      ...session.flushes(slot, cellBytes(sizeClass)),",
    replace: "",
    why: "A power failure tears the committed copy, and there is no other one.",
  },
  {
    name: "floor-not-flushed",
    hazard: "H22",
    designs,
    file: `${source}/bucket-repair.ts`,
    find: "return [...raising, ...context.session.flushes(at, 8)];",
    replace: "return raising;",
    why: "After a power failure a key that was deleted repeats its numbers.",
  },
  {
    name: "delete-not-flushed",
    hazard: "H7",
    designs,
    file: `${source}/delete.ts`,
    find: "commitPoint(compareAndSwap(slot, hold.word, dead)), // 3.\n      ...session.flushes(slot, 8),",
    replace: "commitPoint(compareAndSwap(slot, hold.word, dead)),",
    why: "A power failure leaves a live slot that no entry names.",
  },
  {
    name: "move-not-flushed",
    hazard: "H20",
    designs,
    file: `${source}/move.ts`,
    find: "    ...session.flushes(cursor.slot, 8),",
    replace: "",
    why: "A power failure leaves two live slots of a key.",
  },
  {
    name: "intent-not-flushed",
    hazard: "H20",
    designs,
    file: `${source}/move.ts`,
    find: "    ...session.flushes(intent, 8),",
    replace: "",
    why: "After a power failure nobody knows where a slot was moved to.",
  },
  {
    name: "met-table-not-flushed",
    hazard: "H7",
    designs,
    file: `${source}/chunk-table.ts`,
    find: "if (this.#isDurable && (generation",
    replace: "if (this.#isDurable && generation < 0 && (generation",
    why: "An entry outlives the chunk that it leads to, and its key is lost.",
  },
];

/** H5: nobody waits for ever. */
const living: readonly Plant[] = [
  {
    name: "bucket-held-for-a-slot",
    hazard: "H5",
    designs,
    file: `${source}/held-up.ts`,
    find: "if (this.attempt >= triesMost)",
    replace: "if (this.attempt < 0)",
    why: "Two clients wait for each other: one for a slot, one for the bucket to settle it.",
  },
];

export const directPlants: readonly Plant[] = [...slots, ...structure, ...durable, ...living];
