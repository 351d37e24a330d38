// Planted bugs of the metadata service, on which Clover and Central stand.

import type { Plant } from "./plant.ts";

const source = "packages/metadata-server/src";
const designs = ["central", "clover"] as const;

export const metadataPlants: readonly Plant[] = [
  {
    name: "the-dead-go-on",
    hazard: "H6",
    designs,
    file: `${source}/call-slots.ts`,
    find: 'if (client?.state === "live") return;',
    replace: "if (client !== undefined) return;",
    why: "A change takes effect for a client that is being taken back.",
  },
  {
    name: "spans-leased-twice",
    hazard: "H10",
    designs,
    file: `${source}/free-queue.ts`,
    find: "if ((await transaction.get(name)) === undefined) return undefined;",
    replace: "if ((await transaction.peek(name)) === undefined) return undefined;",
    also: [
      {
        file: `${source}/free-queue.ts`,
        find: "await transaction.get(spanOf(entry.chunk, entry.span))",
        replace: "await transaction.peek(spanOf(entry.chunk, entry.span))",
      },
    ],
    why: "Two clients are handed the same buffers.",
  },
  {
    name: "bounds-off-by-one",
    hazard: "H10",
    designs,
    file: `${source}/bitmap.ts`,
    find: "bitmap[bitmap.length - 1] = (1 << (bits % 8)) - 1;",
    replace: "bitmap[bitmap.length - 1] = (2 << (bits % 8)) - 1;",
    why: "A chunk's last span has a buffer that stands in the next chunk.",
  },
  {
    name: "reply-not-stored",
    hazard: "H15",
    designs: ["clover"],
    file: `${source}/call-slots.ts`,
    find: "storeReply(transaction, ticket, reply);\n    return reply;",
    replace: "return reply;",
    why: "A change that is delivered twice takes effect twice.",
  },
  {
    name: "two-commits-for-one",
    hazard: "H15",
    designs: ["clover"],
    file: `${source}/call-slots.ts`,
    find: "storeReply(transaction, ticket, reply);\n    return reply;\n  });",
    replace: `return reply;
  }).then((reply) =>
    run(async (transaction) => {
      storeReply(transaction, ticket, reply);
      return reply;
    }),
  );`,
    why: "The service dies between a change and its reply, and the change is made again.",
  },
  {
    name: "sequence-not-compared",
    hazard: "H15",
    designs: ["clover"],
    file: `${source}/call-slots.ts`,
    find: "if (slot === undefined || slot.sequence < ticket.sequence) return undefined;",
    replace: "if (slot === undefined || slot.sequence !== ticket.sequence) return undefined;",
    why: "A late change takes effect after the one that followed it.",
  },
  {
    name: "chunk-number-reused",
    hazard: "H17",
    designs,
    file: `${source}/chunks.ts`,
    find: "return { chunk: await cutChunk(transaction, geometry, table, { node, place, sizeClass }) };",
    replace: `const { nextChunk } = table;
  const cut = { node, place, sizeClass };
  const again = await cutChunk(transaction, geometry, { ...table, nextChunk: chunk }, cut);
  writeTable(transaction, { ...table, nextChunk });
  return { chunk: again };`,
    why: "Stale pointers lead to a chunk of another class.",
  },
  {
    name: "withdrawn-chunk-leased",
    hazard: "H17",
    designs,
    file: `${source}/free-queue.ts`,
    find: 'if (chunk?.state !== "active") return undefined;',
    replace: "",
    why: "Buffers are handed out of a chunk that is being emptied.",
  },
  {
    name: "table-of-two-moments",
    hazard: "H17",
    designs: ["clover"],
    file: `${source}/table.ts`,
    find: "if (generation === before.generation) return",
    replace: "return",
    why: "Two answers of one generation name different chunks.",
  },
  {
    name: "floor-forgotten",
    hazard: "H22",
    designs,
    file: `${source}/directory.ts`,
    find: "transaction.put(floor, commitNumber);",
    replace: "{}",
    why: "A key that was deleted and created anew repeats its numbers.",
  },
  {
    name: "floor-not-compared",
    hazard: "H22",
    designs: ["clover"],
    file: `${source}/directory.ts`,
    find: "if (commitNumber <= floor) return { floor };",
    replace: "",
    why: "A new life of a key begins below the numbers of its last one.",
  },
];
