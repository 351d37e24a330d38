// Makes a simulated store of Clover or Central old: buffers of chunks that were just cut look as if
// they had been used so often that few lives are left, or none. Nothing else can bring a GC version
// to its end within a run. It happens in the very moment of the cut, before anybody can have leased
// them.

import type { Breach, Prng } from "@pdpm/base";
import {
  addressIn,
  addressOf,
  bufferBytes,
  bufferFields,
  chunkOf,
  gcVersionIn,
  gcVersionMost,
  type Pointer,
  pointerText,
  pointerTo,
  wordAt,
} from "@pdpm/layout";
import { regionHeaderBytes } from "@pdpm/layout/region-header";
import type { Writes } from "@pdpm/metadata-server";
import type { Memory } from "@pdpm/verbs";
import { decodeRecord } from "../../packages/metadata-server/src/record.ts";
import {
  chunkIn,
  chunkRecordOf,
  chunksPrefix,
} from "../../packages/metadata-server/src/records.ts";

/** Buffers of a chunk that keep a few lives: the first ones, and every so many. */
const usefulBuffers = 4;
/** Lives that such a buffer has at most. */
const livesMost = 3;

/** Ages the chunks of one store. */
export class Ageing {
  readonly #memories: readonly Memory[];
  readonly #chunkBytes: number;
  readonly #prng: Prng;
  readonly #seen = new Set<number>();
  /** By memory and offset: the self word that a buffer was given. */
  readonly #given = new Map<string, { readonly memory: Memory; at: number; self: Pointer }>();
  /** Buffers that were given few lives. */
  aged = 0;

  constructor(memories: readonly Memory[], chunkBytes: number, prng: Prng) {
    this.#memories = memories;
    this.#chunkBytes = chunkBytes;
    this.#prng = prng;
  }

  /** Looks at what was committed for chunks that are new. */
  committed(writes: Writes): void {
    for (const [key, value] of writes) {
      if (!key.startsWith(chunksPrefix) || value === undefined) continue;
      const chunk = chunkIn(key);
      if (this.#seen.has(chunk)) continue;
      this.#seen.add(chunk);
      const { node, place, sizeClass } = decodeRecord(chunkRecordOf(chunk), value);
      const start = regionHeaderBytes + place * this.#chunkBytes;
      const bytes = bufferBytes(sizeClass);
      for (let i = 0; (i + 1) * bytes <= this.#chunkBytes; i += 1) {
        const lives = i % usefulBuffers === 0 ? 0 : 1 + this.#prng.below(livesMost);
        const self = pointerTo(addressOf(chunk, i * bytes), gcVersionMost - lives);
        const at = start + i * bytes + bufferFields.self;
        const memory = this.#memories[node] as Memory;
        memory.write(at, new Uint8Array(new BigUint64Array([self]).buffer));
        memory.flush(at, 8);
        this.#given.set(`${node} ${at}`, { memory, at, self });
        this.aged += 1;
      }
    }
  }

  /** What is wrong with the lives that buffers have by now: they only ever grow (H3). */
  problems(): Breach[] {
    const problems: Breach[] = [];
    for (const { memory, at, self } of this.#given.values()) {
      const bytes = new Uint8Array(8);
      memory.read(at, bytes);
      const word = wordAt(bytes, 0);
      const isSameChunk = word !== 0n && chunkOf(addressIn(word)) === chunkOf(addressIn(self));
      if (isSameChunk && gcVersionIn(word) < gcVersionIn(self)) {
        const text = `the lives of the buffer at ${pointerText(self)} begin anew`;
        problems.push({ invariant: "I12", text });
      }
    }
    return problems;
  }
}
