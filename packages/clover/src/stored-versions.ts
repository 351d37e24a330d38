// What stands in buffers that nobody here wrote: for a reaper, which has a dead client's buffers,
// and a collector, which empties a chunk. Bytes that verify say whose version they are, or were: a
// buffer that was freed keeps them until it is written anew. Only the key's chain says which.

import { toKey } from "@pdpm/kv";
import {
  type Address,
  addressIn,
  bufferFields,
  bufferHeaderBytes,
  decodeBufferHeader,
  isPointer,
  wordAt,
} from "@pdpm/layout";
import { type Protocol, read, round } from "@pdpm/verbs";
import type { Context } from "./session.ts";
import type { ChainStart } from "./walk-chains.ts";

/** Headers read in one round. */
const headersPerRound = 64;
const keyBytesMost = 1024;

/** A buffer, and what stands there. */
export interface StoredVersion {
  readonly address: Address;
  /** The version that verifies there: its key, and the pointer by which chains name it. */
  readonly version: { readonly key: ChainStart["key"]; readonly pointer: bigint } | undefined;
  /** The self word as it is. */
  readonly selfWord: bigint;
}

/** Reads headers and keys, in chunks that the table has. */
export function* readStoredVersions(
  context: Context,
  addresses: readonly Address[],
): Protocol<StoredVersion[]> {
  const { table } = context.session;
  const found: StoredVersion[] = [];
  for (let first = 0; first < addresses.length; first += headersPerRound) {
    const some = addresses.slice(first, first + headersPerRound);
    const reads = some.map((address) =>
      read(address, Math.min(bufferHeaderBytes + keyBytesMost, table.roomAt(address))),
    );
    const images = (yield* round(...reads)) as Uint8Array[];
    for (const [i, address] of some.entries()) found.push(decode(address, images[i] as Uint8Array));
  }
  return found;
}

function decode(address: Address, image: Uint8Array): StoredVersion {
  const selfWord = wordAt(image, bufferFields.self);
  const nothing = { address, version: undefined, selfWord };
  const header = decodeBufferHeader(image);
  if (header === undefined || !isPointer(header.self)) return nothing;
  if (addressIn(header.self) !== address) return nothing;
  const { keyBytes } = header;
  if (keyBytes < 1 || keyBytes > keyBytesMost) return nothing;
  if (bufferHeaderBytes + keyBytes > image.length) return nothing;
  const key = toKey(image.slice(bufferHeaderBytes, bufferHeaderBytes + keyBytes));
  return { address, version: { key, pointer: header.self }, selfWord };
}
