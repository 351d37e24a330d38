// Protections whose plants no seed was found for: second lines behind one that has a plant, and
// what the worlds hardly ever come to. With the test that has each, where one is known.

/** A protection without a plant. */
export interface SecondLine {
  readonly hazard: string;
  readonly protection: string;
  readonly why: string;
  /** The file that tests it, as far as that was tried. */
  readonly test?: string;
}

export const secondLines: readonly SecondLine[] = [
  {
    hazard: "H1",
    protection: "Clover and Central: the body's checksum in a read",
    why: "a buffer would have to be written anew between two pieces of one read",
  },
  {
    hazard: "H2",
    protection: "Clover: the life of a version in a read",
    why: "link, key and checksum nearly always say the same",
    test: "packages/layout/src/data-buffer.test.ts",
  },
  {
    hazard: "H2",
    protection: "Central: the entry's lock from look-up to read",
    why: "the window is one round trip of a key that is deleted meanwhile",
    test: "packages/central/src/delete.test.ts",
  },
  {
    hazard: "H7",
    protection: "Direct: the chunk table of a dead client is flushed before others go on from it",
    why: "it dies between the CAS of a table word and its flush, once or twice in a seed's life",
    test: "packages/direct/src/power-failure.long.test.ts",
  },
  {
    hazard: "H15",
    protection: "Clover: a create wants its buffer leased",
    why: "call slots come first",
    test: "packages/metadata-server/src/directory.test.ts",
  },
  {
    hazard: "H15",
    protection: "Central: stored replies of the metadata service",
    why: "all of a coordinator's changes are safe by state",
    test: "packages/metadata-server/src/call-slots.test.ts",
  },
  {
    hazard: "H17",
    protection: "Direct: a slot spares the bucket chunk that it needs",
    why: "two classes would have to take the one chunk from each other without end",
    test: "packages/direct/src/make-space.test.ts",
  },
  {
    hazard: "H17",
    protection: "Direct: a retirement that failed stays in doubt",
    why: "two failures in a row; one of 26,000 seeds",
    test: "packages/direct/src/table-changes.test.ts",
  },
  {
    hazard: "H17",
    protection: "Direct: a client that enters acknowledges what it has read since",
    why: "a chunk is retired between two rounds of an opening; one of 26,000 seeds",
    test: "packages/direct/src/table-changes.test.ts",
  },
  {
    hazard: "H20",
    protection: "Direct: the incarnation of a copy in a read",
    why: "the slot's word says the same",
    test: "packages/direct/src/read-path.test.ts",
  },
  {
    hazard: "H5",
    protection: "Direct: recovery compares the life of the uncommitted copy",
    why: "a slot would have to come to another key with lower numbers",
  },
  {
    hazard: "H6",
    protection: "Clover: fence first, take back second",
    why: "what the dead had posted would have to be late by a whole lease of others",
  },
  {
    hazard: "H7",
    protection: "Clover: who appends, or collects, makes a pending link durable",
    why: "none of 800 seeds",
    test: "packages/clover/src/links.test.ts",
  },
  {
    hazard: "H7",
    protection: "Direct: who meets a pending entry flushes it",
    why: "none of 500 seeds",
  },
  {
    hazard: "H14",
    protection: "Clover: a lost change is overtaken before its doubt is settled",
    why: "a late create finds its buffer not leased",
  },
  {
    hazard: "H14",
    protection: "Direct: a lock whose reply was lost stays in doubt",
    why: "the client recovers its own lock",
  },
  {
    hazard: "H14",
    protection: "Central: a cell in doubt is not used again",
    why: "none of 150 seeds",
  },
  {
    hazard: "H15",
    protection: "Clover: a span whose return is in doubt is named never again",
    why: "none of 800 seeds",
  },
  {
    hazard: "H17",
    protection:
      "Clover: acknowledgements before a place is recut; nothing leased is zeroed; zeros are flushed",
    why: "none of 130 to 800 seeds",
  },
  {
    hazard: "H17",
    protection:
      "Direct: acknowledgements and a second look before a chunk is retired; its place is wiped",
    why: "none of 150 seeds",
  },
  {
    hazard: "H21",
    protection: "Direct: a bucket is repaired when its lock is inherited",
    why: "whoever meets the slot repairs it",
  },
  {
    hazard: "H23",
    protection: "Central: a dead coordinator's wipe is flushed",
    why: "none of 150 seeds",
    test: "packages/central/src/reap.test.ts",
  },
  {
    hazard: "H23",
    protection: "Central: what failed writes left is wiped before the key's next write",
    why: "none of 150 seeds",
    test: "packages/central/src/write-path.test.ts",
  },
  {
    hazard: "H24",
    protection: "Central: an answer from memory alone checks the term",
    why: "nobody may have asked the deposed coordinator anything before; one of 7,000 seeds",
    test: "packages/central/src/write-path.test.ts",
  },
];
