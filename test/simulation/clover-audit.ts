// Looks at a whole Clover store while nobody works on it, after everything was given back and
// collected: directory, space and memory must say the same, buffer by buffer.
//
// - Every buffer is exactly one of live, free and spent. Nobody leases anything. The live ones are
//   the heads of the directory's keys, one a key, each at the end of its chain, with its head mark.
// - A repair without the directory would find the same keys and values (clover-repair.ts).

import { type Key, toKey } from "@pdpm/kv";
import {
  addressIn,
  addressOf,
  bufferBytes,
  buffersPerChunk,
  buffersPerSpan,
  chunkOf,
  isHeadMark,
  linkIn,
  offsetOf,
  type Pointer,
  pointerText,
} from "@pdpm/layout";
import { decodeRecord } from "../../packages/metadata-server/src/record.ts";
import {
  type ChunkRecord,
  directoryOf,
  keyIn,
  spanOf,
  spansPrefix,
} from "../../packages/metadata-server/src/records.ts";
import { chunkBytes } from "./clover-plan.ts";
import { StoredVersions, type StoreParts } from "./clover-repair.ts";

/** What the audit found. */
export interface AuditReport {
  readonly problems: readonly string[];
  readonly live: number;
  readonly free: number;
  readonly spent: number;
}

/** See above. */
export async function auditStore(parts: StoreParts): Promise<AuditReport> {
  return new Audit(await StoredVersions.read(parts)).run();
}

class Audit {
  readonly #stored: StoredVersions;
  readonly #problems: string[] = [];
  /** Buffers that are neither leased nor free nor spent, by address. */
  readonly #taken = new Set<number>();
  #free = 0;
  #spent = 0;

  constructor(stored: StoredVersions) {
    this.#stored = stored;
  }

  async run(): Promise<AuditReport> {
    for (const [chunk, record] of this.#stored.chunks) await this.#readSpans(chunk, record);
    const heads = new Map<Key, Pointer>();
    for (const { key: name, value } of await this.#stored.records("directory/")) {
      const key = keyIn(name);
      heads.set(toKey(key), decodeRecord(directoryOf(key), value).head);
    }
    for (const [key, head] of heads) this.#checkHead(key, head);
    for (const address of this.#taken) {
      const place = `chunk ${chunkOf(address)} + ${offsetOf(address)}`;
      this.#problems.push(`the buffer at ${place} is taken, but belongs to no key`);
    }
    this.#checkRepair(heads);
    const live = heads.size;
    return { problems: this.#problems, live, free: this.#free, spent: this.#spent };
  }

  async #readSpans(chunk: number, { sizeClass }: ChunkRecord): Promise<void> {
    const perSpan = buffersPerSpan(sizeClass);
    const count = buffersPerChunk(chunkBytes, sizeClass);
    const records = await this.#stored.records(spansPrefix(chunk));
    if (records.length !== Math.ceil(count / perSpan)) {
      this.#problems.push(`chunk ${chunk} has ${records.length} spans`);
    }
    for (const [span, { value }] of records.entries()) {
      const name = `span ${span} of chunk ${chunk}`;
      const record = decodeRecord(spanOf(chunk, span), value);
      const { owner, leased, free, spent, sequence } = record;
      if (owner !== 0) this.#problems.push(`${name} belongs to client ${owner}`);
      let freeHere = 0;
      for (let n = 0; n < Math.min(perSpan, count - span * perSpan); n += 1) {
        const [isLeased, isFree, isSpent] = [leased, free, spent].map((bits) => hasBit(bits, n));
        if (Number(isLeased) + Number(isFree) + Number(isSpent) > 1) {
          this.#problems.push(`buffer ${n} of ${name} is two things at once`);
        }
        if (isLeased) this.#problems.push(`buffer ${n} of ${name} is leased`);
        if (isFree) freeHere += 1;
        if (isSpent) this.#spent += 1;
        const address = addressOf(chunk, (span * perSpan + n) * bufferBytes(sizeClass));
        if (!isLeased && !isFree && !isSpent) this.#taken.add(address);
      }
      this.#free += freeHere;
      if (sequence > 0 !== freeHere > 0) {
        this.#problems.push(`${name} with ${freeHere} free buffers is queued at ${sequence}`);
      }
    }
  }

  #checkHead(key: Key, head: Pointer): void {
    const wrong = (what: string): void => {
      this.#problems.push(`the head of ${key}, at ${pointerText(head)}, ${what}`);
    };
    if (!this.#taken.delete(addressIn(head))) wrong("is free, or two keys' head");
    const version = this.#stored.versions.get(head);
    if (version === undefined) wrong("does not verify");
    else if (version.key !== key) wrong(`is a version of ${version.key}`);
    else if (linkIn(head, version.link) !== "end") wrong("is not the end of its chain");
    else if (!isHeadMark(head, version.headMark)) wrong("has no head mark");
  }

  #checkRepair(heads: ReadonlyMap<Key, Pointer>): void {
    const latest = this.#stored.repair();
    for (const [key, { self }] of latest) {
      if (heads.get(key) === self) continue;
      const what = heads.has(key) ? "which is not its value" : "which was deleted";
      this.#problems.push(`a repair would revive ${key} at ${pointerText(self)}, ${what}`);
    }
    for (const key of heads.keys()) {
      if (!latest.has(key)) this.#problems.push(`a repair would not find ${key}`);
    }
  }
}

function hasBit(bitmap: Uint8Array, n: number): boolean {
  return ((bitmap[n >> 3] ?? 0) & (1 << (n & 7))) !== 0;
}
