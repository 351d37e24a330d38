// What must hold of a Central store whenever nothing is under way, as a list of what does not.
//
// - Every key's record names one cell, which verifies, is that key's, and is valid.
// - Every other valid cell is a superseded one that its key's record names, with a lower number. So
//   a repair that knows the cells alone finds what the directory has (H23).
// - A cell is taken exactly if a record names it: live cells are not free, and nothing leaks.

import type { Breach } from "@pdpm/base";
import {
  addressIn,
  addressOf,
  bufferBytes,
  bufferHeaderBytes,
  buffersPerChunk,
  buffersPerSpan,
  checkBody,
  decodeBufferHeader,
  headMarkOf,
  type Pointer,
  pointerText,
} from "@pdpm/layout";
import { regionHeaderBytes } from "@pdpm/layout/region-header";
import type { MetadataService } from "@pdpm/metadata-server";
import type {
  ChunkEntry,
  ChunkTableReply,
  KeyAndHead,
  LookupReply,
  SpanPart,
} from "@pdpm/metadata-server/protocol";
import type { Memory } from "@pdpm/verbs";

/** What is looked at. */
export interface AuditedStore {
  readonly label: { readonly chunkBytes: number };
  readonly memories: readonly Memory[];
  readonly service: MetadataService;
}

/** A cell as it stands in memory. */
export interface SeenCell {
  readonly pointer: Pointer;
  readonly key: string;
  readonly commitNumber: number;
  readonly value: string;
  readonly valueBytes: Uint8Array;
}

/** The cells that a repair without the directory would believe. */
export async function validCells(world: AuditedStore): Promise<SeenCell[]> {
  const { chunks }: ChunkTableReply = await world.service.handle({ ask: "table" });
  return chunks.flatMap((entry) => (entry.state === "retired" ? [] : validIn(world, entry)));
}

function validIn(world: AuditedStore, { chunk, node, place, sizeClass }: ChunkEntry): SeenCell[] {
  const { chunkBytes } = world.label;
  const memory = world.memories[node];
  const image = new Uint8Array(chunkBytes);
  memory?.read(regionHeaderBytes + place * chunkBytes, image);
  const bytes = bufferBytes(sizeClass);
  const cells: SeenCell[] = [];
  for (let index = 0; index < buffersPerChunk(chunkBytes, sizeClass); index += 1) {
    const cell = image.subarray(index * bytes, (index + 1) * bytes);
    const header = decodeBufferHeader(cell);
    if (header === undefined || header.headMark !== headMarkOf(header.self)) continue;
    if (addressIn(header.self) !== addressOf(chunk, index * bytes)) continue;
    if (checkBody(cell, header) !== "ok") continue;
    const keyEnd = bufferHeaderBytes + header.keyBytes;
    const valueStart = (keyEnd + 7) & ~7;
    const valueBytes = cell.slice(valueStart, valueStart + header.valueBytes);
    cells.push({
      pointer: header.self,
      key: Buffer.from(cell.subarray(bufferHeaderBytes, keyEnd)).toString(),
      commitNumber: header.commitNumber,
      value: Buffer.from(valueBytes).toString(),
      valueBytes,
    });
  }
  return cells;
}

/** Every key's record. */
export async function records(world: AuditedStore): Promise<Map<string, LookupReply>> {
  const found = new Map<string, LookupReply>();
  for (let after: Uint8Array | null = null; ; ) {
    const question = { ask: "keys", prefix: new Uint8Array(0), after, limit: 1000 } as const;
    const page: readonly KeyAndHead[] = await world.service.handle(question);
    for (const { key } of page) {
      found.set(Buffer.from(key).toString(), await world.service.handle({ ask: "lookup", key }));
    }
    const last = page.at(-1);
    if (last === undefined) return found;
    after = last.key;
  }
}

/** What is wrong with the store. */
export async function audit(world: AuditedStore): Promise<Breach[]> {
  const problems: Breach[] = [];
  const wrong = (invariant: "I8" | "I9", text: string): unknown =>
    problems.push({ invariant, text });
  const valid = new Map((await validCells(world)).map((cell) => [cell.pointer, cell]));
  const named = new Set<number>();
  const current = await records(world);
  for (const [key, { head, stale }] of current) {
    for (const pointer of [head, ...stale]) named.add(addressIn(pointer as Pointer));
    const cell = valid.get(head as Pointer);
    if (cell?.key === key) continue;
    wrong("I9", `${key} leads to ${pointerText(head as Pointer)}: no valid cell`);
  }
  for (const { pointer, key, commitNumber } of valid.values()) {
    const record = current.get(key);
    if (record?.head === pointer) continue;
    const head = record?.head ? valid.get(record.head) : undefined;
    const isOld = record?.stale.includes(pointer) && commitNumber < (head?.commitNumber ?? 0);
    if (!isOld) wrong("I9", `a repair would find ${key} in ${pointerText(pointer)}`);
  }
  for (const address of await takenAddresses(world)) {
    if (!named.delete(address)) wrong("I8", `the cell at ${address} leaks`);
  }
  for (const address of named) wrong("I9", `the cell at ${address} is live and not taken`);
  return problems;
}

async function takenAddresses(world: AuditedStore): Promise<number[]> {
  const { chunks }: ChunkTableReply = await world.service.handle({ ask: "table" });
  const addresses: number[] = [];
  for (const { chunk, sizeClass } of chunks) {
    const parts: readonly SpanPart[] = await world.service.handle({ ask: "taken", chunk });
    for (const { span, bitmap } of parts) {
      for (let bit = 0; bit < bitmap.length * 8; bit += 1) {
        if (((bitmap[bit >> 3] as number) & (1 << (bit & 7))) === 0) continue;
        const index = span * buffersPerSpan(sizeClass) + bit;
        addresses.push(addressOf(chunk, index * bufferBytes(sizeClass)));
      }
    }
  }
  return addresses;
}
