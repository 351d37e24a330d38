// Planted bugs of Clover's data path: reads, writes, deletes, and what they believe.

import type { Plant } from "./plant.ts";

const source = "packages/clover/src";
const layout = "packages/layout/src";
const designs = ["clover"] as const;

/** H1 and H2: what is read is what was asked for, and whole. */
const believing: readonly Plant[] = [
  {
    name: "key-not-compared",
    hazard: "H2",
    designs,
    file: `${source}/version.ts`,
    find: 'isKeyAt(key, bytes, bufferHeaderBytes, header.keyBytes) ? header : "other"',
    replace: "header",
    also: [
      {
        file: `${source}/version.ts`,
        find: "if (!isKeyAt(key, image, bufferHeaderBytes, keyBytes)) return undefined;",
        replace: "",
      },
    ],
    why: "Two keys that share a shortcut cell read each other's values.",
  },
  {
    name: "life-not-raised",
    hazard: "H2",
    designs,
    file: `${source}/buffer-pool.ts`,
    find: "pointerTo(address, gcVersion + 1)",
    replace: "pointerTo(address, gcVersion)",
    why: "A recycled buffer looks like what it was, to stale cursors and stale CASes.",
  },
  {
    name: "spent-buffers-wrap",
    hazard: "H3",
    designs,
    file: `${source}/buffer-pool.ts`,
    find: 'gcVersion === gcVersionMost ? "spent" : ',
    replace: "gcVersion === gcVersionMost ? pointerTo(address, 1) : ",
    why: "GC versions begin anew, and stale pointers match again.",
  },
  {
    name: "no-next-without-life",
    hazard: "H3",
    designs,
    file: `${layout}/data-buffer.ts`,
    find: "view.setBigUint64(bufferFields.link, self, true)",
    replace: "view.setBigUint64(bufferFields.link, self & 0xffffffffffn, true)",
    also: [
      {
        file: `${layout}/data-buffer.ts`,
        find: "isWordAt(bytes, bufferFields.link, selfLow, selfHigh)",
        replace: "isWordAt(bytes, bufferFields.link, selfLow, selfHigh & 0xff)",
      },
      {
        file: `${layout}/link-word.ts`,
        find: 'if (bare === pointer) return "end";',
        replace: 'if (bare === (pointer & placeBits)) return "end";',
      },
      {
        file: `${source}/write-path.ts`,
        find: "compareAndSwap(at, tail, desired)",
        replace: "compareAndSwap(at, tail & 0xffffffffffn, desired)",
      },
      {
        file: `${source}/write-path.ts`,
        find: "return word;\n  } catch",
        replace: "return word === (tail & 0xffffffffffn) ? tail : word;\n  } catch",
      },
      {
        file: `${source}/delete.ts`,
        find: "bufferFields.link, pointer, desired)",
        replace: "bufferFields.link, pointer & 0xffffffffffn, desired)",
      },
      {
        file: `${source}/delete.ts`,
        find: "  return word;\n",
        replace: "  return word === (pointer & 0xffffffffffn) ? pointer : word;\n",
      },
      {
        file: `${source}/relocate.ts`,
        find: "bufferFields.link, from, wordOf(copy))",
        replace: "bufferFields.link, from & 0xffffffffffn, wordOf(copy))",
      },
      {
        file: `${source}/relocate.ts`,
        find: "if (replies[i] !== from) {",
        replace: "if (replies[i] !== (from & 0xffffffffffn)) {",
      },
    ],
    why: "A CAS on a recycled tail links one key's version into another key's chain.",
  },
];

/** H4: a delete is the seal. */
const sealing: readonly Plant[] = [
  {
    name: "seal-skipped",
    hazard: "H4",
    designs,
    file: `${source}/delete.ts`,
    find: "const word = yield* seal(context, known);",
    replace: "const word = known.pointer;",
    why: "A delete is acknowledged that never happened.",
  },
  {
    name: "seal-not-flushed",
    hazard: "H4",
    designs,
    file: `${source}/delete.ts`,
    find: "const { isDurable } = context.session;",
    replace: "const isDurable = false;",
    also: [
      {
        file: `${source}/delete.ts`,
        find: "    ...settlingPosts(context, pointer, desired),\n",
        replace: "",
      },
    ],
    why: "A power failure brings an acknowledged delete's value back.",
  },
  {
    name: "sealed-version-read",
    hazard: "H4",
    designs,
    file: `${source}/walk.ts`,
    find: 'if (link === "sealed") return { state: "sealed", ...found, value: undefined };',
    replace: "",
    why: "A cursor reads a key's value after its delete.",
  },
  {
    name: "seal-says-missing",
    hazard: "H4",
    designs,
    file: `${source}/read-path.ts`,
    find: 'if (tail.state !== "end") {',
    replace: 'if (tail.state === "sealed") return undefined;\n  if (tail.state !== "end") {',
    why: "A stale cursor misses that its key was created anew.",
  },
];

/** H7 and H8: links are durable before they count, hints are hints. */
const linking: readonly Plant[] = [
  {
    name: "no-flush-before-link",
    hazard: "H7",
    designs,
    file: `${source}/new-version.ts`,
    find: "return [write(address, image), ...this.#context.session.flushes(address, image.length)];",
    replace: "return [write(address, image)];",
    why: "A link that is durable leads to bytes that a power failure takes away.",
  },
  {
    name: "flush-after-cas",
    hazard: "H7",
    designs,
    file: `${source}/new-version.ts`,
    find: "return [write(address, image), ...this.#context.session.flushes(address, image.length)];",
    replace: "return [write(address, image)];",
    also: [
      {
        file: `${source}/write-path.ts`,
        find: "...settlingPosts(context, tail, desired),",
        replace:
          "...settlingPosts(context, tail, desired),\n      ...context.session.flushes(version.address, version.bytes),",
      },
    ],
    why: "A power failure between link and flush leaves a link to nothing.",
  },
  {
    name: "link-not-flushed",
    hazard: "H7",
    designs,
    file: `${source}/links.ts`,
    find: "return [flush(at, 8), compareAndSwap(",
    replace: "return [compareAndSwap(",
    why: "An acknowledged write is lost with the power.",
  },
  {
    name: "met-link-not-flushed",
    hazard: "H7",
    designs,
    file: `${source}/links.ts`,
    find: "yield* round(flush(at, 8), compareAndSwap(at, word, withoutPending(word)));",
    replace: "",
    why: "A value was read, and a power failure undoes its link.",
  },
  {
    name: "pending-ignored-by-walk",
    hazard: "H7",
    designs,
    file: `${source}/walk.ts`,
    find: "const word = yield* settleLink(context, pointer, header.link);",
    replace: "const word = header.link;",
    why: "A get or a has answers by a link that a power failure undoes.",
  },
  {
    name: "new-number-not-flushed",
    hazard: "H7",
    designs,
    file: `${source}/new-version.ts`,
    find: "write(this.address, header), ...session.flushes(this.address, bufferHeaderBytes)",
    replace: "write(this.address, header)",
    why: "A link that is durable leads to a header that a power failure tears.",
  },
  {
    name: "shortcut-believed",
    hazard: "H8",
    designs,
    file: `${source}/read-path.ts`,
    find: "const ahead = yield* walk(",
    replace: `const [believed] = yield* round(read(addressIn(shortcut), readBytes));
    const hinted = versionHead(shortcut, key, believed);
    if (typeof hinted === "object" && linkIn(shortcut, hinted.link) !== "sealed") {
      const start = versionBytes(hinted) - hinted.valueBytes;
      return new Found(believed.subarray(start, versionBytes(hinted)), hinted.commitNumber);
    }
    const ahead = yield* walk(`,
    why: "A shortcut that is behind the chain's end answers with an old value.",
  },
  {
    name: "cursor-published-early",
    hazard: "H8",
    designs,
    file: `${source}/write-path.ts`,
    find: "const word = yield* link(context, known.pointer, version);",
    replace: `context.session.cursors.set(key, version.pointer, commitNumber, version.bytes);
      const word = yield* link(context, known.pointer, version);`,
    why: "A version that was never linked is read at a cursor.",
  },
  {
    name: "unknown-said-not-applied",
    hazard: "H11",
    designs: ["clover"],
    file: "packages/verbs/src/operation.ts",
    find: 'if (reply instanceof PdpmError) return reply.outcome === "not-applied";',
    replace: "if (reply instanceof PdpmError) return true;",
    why: "A write is said not to be applied whose commit point was posted, and took effect.",
  },
  {
    name: "combined-writes-share-a-number",
    hazard: "H12",
    designs: ["clover", "direct", "central"],
    file: "packages/kv/src/write-batch.ts",
    find: "number += 1;",
    replace: "number = commitNumber + 1;",
    why: "Writes that were combined return the same version.",
  },
  {
    name: "combined-conditions-merged",
    hazard: "H12",
    designs: ["clover", "central"],
    file: "packages/kv/src/write-batch.ts",
    find: "const found = exists ? number : 0;",
    replace: "const found = present ? commitNumber : 0;",
    why: "Two conditional writes that were combined both succeed.",
  },
];

/** H14, H22 and H23: a buffer's number, doubt and mark. */
const versions: readonly Plant[] = [
  {
    name: "doubtful-buffer-reused",
    hazard: "H14",
    designs,
    file: `${source}/new-version.ts`,
    find: "this.#context.session.doubt(this.#key, this.pointer, this.sizeClass);",
    replace: "this.#context.session.pool.give(this.sizeClass, this.pointer);",
    why: "A buffer that is linked is written again.",
  },
  {
    name: "doubt-settled-unseen",
    hazard: "H14",
    designs,
    file: `${source}/doubts.ts`,
    find: "const isLinked = chain === undefined ? false : isInChain(chain, pointer);",
    replace: "const isLinked = false;",
    why: "A buffer whose link was in doubt is freed although it is linked.",
  },
  {
    name: "lost-race-keeps-its-number",
    hazard: "H22",
    designs,
    file: `${source}/new-version.ts`,
    find: "renewHeader(this.image, this.pointer, commitNumber);",
    replace: "",
    why: "Versions of a key repeat.",
  },
  {
    name: "copy-takes-a-number",
    hazard: "H22",
    designs,
    file: `${source}/relocate.ts`,
    find: "new NewVersion(context, key, target, sizeClass, value, commitNumber)",
    replace: "new NewVersion(context, key, target, sizeClass, value, commitNumber + 1)",
    why: "Moving a version gives it the number of a write to come.",
  },
  {
    name: "insert-not-marked",
    hazard: "H23",
    designs,
    file: `${source}/insert.ts`,
    find: "yield* markHeads(context, [pointer]);",
    replace: "",
    why: "A repair does not find what was acknowledged.",
  },
  {
    name: "head-mark-not-finished",
    hazard: "H23",
    designs,
    file: `${source}/find-tail.ts`,
    find: "yield* markHeads(context, [head]);",
    replace: "{}",
    why: "A read answers with what a repair would lose: its inserter died before the mark.",
  },
  {
    name: "next-head-not-marked",
    hazard: "H23",
    designs,
    file: `${source}/advance.ts`,
    find: "const isMarked = yield* markHeads(\n      context,\n      some.map(({ next }) => next),\n    );",
    replace: "const isMarked = some.map(() => true);",
    why: "A repair loses a key when its old head is written anew.",
  },
  {
    name: "head-mark-not-flushed",
    hazard: "H23",
    designs,
    file: `${source}/head-marks.ts`,
    find: "yield* round(...swaps, ...flushesOf(context, some), ...clears);",
    replace: "yield* round(...swaps, ...clears);",
    why: "A power failure takes the mark of what was acknowledged.",
  },
  {
    name: "head-mark-not-wiped",
    hazard: "H23",
    designs,
    file: `${source}/forget.ts`,
    find: "yield* wipeHeads(context, sealed.flatMap(buffersOf));",
    replace: "",
    why: "A deleted key's version keeps the mark that says it counts.",
  },
  {
    name: "high-water-not-raised",
    hazard: "H23",
    designs,
    file: `${source}/high-water.ts`,
    find: "while (session.highWater < commitNumber) {",
    replace: "while (commitNumber < 0) {",
    why: "A repair starts numbers below those that were used.",
  },
  {
    name: "high-water-not-flushed",
    hazard: "H23",
    designs,
    file: `${source}/high-water.ts`,
    find: "numberWord(raised)),\n      ...session.flushes(at, 8),",
    replace: "numberWord(raised)),",
    also: [
      {
        file: `${source}/high-water.ts`,
        find: "yield* round(...session.flushes(at, 8));",
        replace: "",
      },
    ],
    why: "A power failure takes the mark, and not the numbers that were used above it.",
  },
];

export const cloverPlants: readonly Plant[] = [...believing, ...sealing, ...linking, ...versions];
