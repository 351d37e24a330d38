// Taking back what a dead client held: it can post nothing any more (H6). Every buffer leased to it is
// settled by its key's chain: linked, it is live; else it is free.

import { toKey } from "@pdpm/kv";
import { addressIn, bufferBytes, bufferHeaderBytes, decodeBufferHeader } from "@pdpm/layout";
import { bitmapBytes, type SpanPart } from "@pdpm/metadata-server/protocol";
import { type Protocol, read, round } from "@pdpm/verbs";
import { addressesIn } from "./buffer-pool.ts";
import { ask, change } from "./calls.ts";
import { isInChain } from "./doubts.ts";
import { retireChain } from "./retire.ts";
import type { Context } from "./session.ts";

/** Takes back everything of `dead`. */
export function* reapClient(context: Context, dead: number): Protocol<void> {
  yield* change(context, { do: "markDead", dead });
  const parts = yield* ask(context, { ask: "leases", client: dead });
  for (const part of parts) {
    const unused = yield* settlePart(context, part);
    yield* change(context, { do: "settle", dead, spans: [unused] });
    context.session.events.recoveries += 1;
  }
  yield* change(context, { do: "bury", dead });
}

function* settlePart(context: Context, part: SpanPart): Protocol<SpanPart> {
  const { table } = context.session;
  if (table.entry(part.chunk) === undefined) yield* table.load(context);
  const sizeClass = table.entry(part.chunk)?.sizeClass ?? 0;
  const bytes = bufferBytes(sizeClass);
  const bitmap = new Uint8Array(bitmapBytes);
  for (const address of addressesIn(part, sizeClass)) {
    const [image] = yield* round(read(address, Math.min(bytes, bufferHeaderBytes + 1024)));
    const header = decodeBufferHeader(image);
    let isLinked = false;
    if (header !== undefined && addressIn(header.self) === address) {
      const key = toKey(image.subarray(bufferHeaderBytes, bufferHeaderBytes + header.keyBytes));
      isLinked = (yield* isInChain(context, { key, pointer: header.self })) ?? true;
      if (isLinked) yield* retireChain(context, key);
    }
    if (isLinked) continue;
    const index = Math.floor((address % 2 ** 26) / bytes) - part.span * spanOf(sizeClass);
    bitmap[index >> 3] = (bitmap[index >> 3] as number) | (1 << (index & 7));
  }
  return { chunk: part.chunk, span: part.span, bitmap };
}

function spanOf(sizeClass: number): number {
  return Math.min(256, Math.max(1, Math.floor(2 ** 20 / bufferBytes(sizeClass))));
}
