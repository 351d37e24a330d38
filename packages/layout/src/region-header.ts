// The header of a region file: its first 4096 bytes. Byte 0 of the file is verbs' offset 0.
//
// What must hold:
// - The identity (64 bytes) never changes after creation and stands under a checksum. It keeps this
//   form in every format version, so that an older pdpm can tell "newer" from "broken".
// - Every other field is one aligned 8-byte word, changed by atomics only and alone in its cache
//   line, because verbs load `sizeBytes` and `poisoned` while other words change.
// - The node part [0, 2048) belongs to the memory node and to mapped clients. Clients over ws write
//   the label part [2048, 4096) and what lies behind the header, nothing else.
// - A node is labelled by its words in order: storeId by CAS from 0 (one claimer wins), storeWord,
//   labelChecksum. The checksum makes the label count.
// Source: FORMAT.md section 1.

import { assert } from "@pdpm/base";
import { checksum64 } from "./checksum.ts";

// The label is part of the header: whoever may read headers reads it from here.
export {
  type DesignName,
  type DurabilityName,
  decodeStoreWord,
  designNumber,
  durabilityNumber,
  encodeStoreWord,
  invalidLabel,
  invalidStoreWord,
  labelChecksum,
  type StoreLabel,
} from "./store-label.ts";

/** Bytes of the header; cells and chunks start behind it. */
export const regionHeaderBytes = 4096;
/** Where the label part starts: a ws client writes nothing before it. */
export const labelPartOffset = 2048;
/** The format that this code reads and writes. */
export const regionFormatVersion = 1;
/** `sizeBytes` of a region is a multiple of this. */
export const regionPageBytes = 4096;

const magic = new TextEncoder().encode("pdpmPM01");
const lineBytes = 64;

const identity = {
  magic: 0,
  formatVersion: 8,
  headerBytes: 12,
  regionId: 16,
  reserved: 32,
} as const;
const identityBytes = lineBytes;
const identityChecksum = identityBytes - 8;
const regionIdBytes = identity.reserved - identity.regionId;

const nodeWords = [
  "sizeBytes",
  "incarnation",
  "inUseBoot",
  "poisoned",
  "nextClientId",
  "admittedThrough",
  "fencedThrough",
] as const;
const labelWords = ["storeId", "storeWord", "labelChecksum", "commitHighWater"] as const;

/** The name of a word of the header, see FORMAT.md section 1 for what each means. */
export type HeaderWordName = (typeof nodeWords)[number] | (typeof labelWords)[number];

/** Byte offset in the region of each word: nodes' words have a cache line each, labels 8 bytes. */
export const headerWordOffset: Readonly<Record<HeaderWordName, number>> = Object.freeze(
  Object.fromEntries([
    ...nodeWords.map((name, index) => [name, identityBytes + index * lineBytes]),
    ...labelWords.map((name, index) => [name, labelPartOffset + index * 8]),
  ]) as Record<HeaderWordName, number>,
);

assert(regionIdBytes === 16, `region id has ${regionIdBytes} bytes, expected 16`);
assert(
  headerWordOffset.fencedThrough + lineBytes <= labelPartOffset,
  "the node part must end before the label part",
);

/** What an intact header says about its file. */
export interface RegionHeader {
  /** 16 random bytes as 32 hexadecimal digits. */
  readonly regionId: string;
  /** Usable bytes, header included, when it was read; only ever grows. */
  readonly sizeBytes: number;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The 4096 bytes of a fresh header. `regionId` is 16 random bytes; `sizeBytes` as in the file. */
export function encodeRegionHeader(regionId: Uint8Array, sizeBytes: number): Uint8Array {
  assert(regionId.length === regionIdBytes, `region id has ${regionId.length} bytes`);
  const reason = invalidRegionSize(sizeBytes);
  assert(reason === null, reason ?? "");
  const bytes = new Uint8Array(regionHeaderBytes);
  const view = viewOf(bytes);
  bytes.set(magic, identity.magic);
  view.setUint32(identity.formatVersion, regionFormatVersion, true);
  view.setUint32(identity.headerBytes, regionHeaderBytes, true);
  bytes.set(regionId, identity.regionId);
  view.setBigUint64(identityChecksum, checksum64(bytes.subarray(0, identityChecksum)), true);
  view.setBigUint64(headerWordOffset.sizeBytes, BigInt(sizeBytes), true);
  view.setBigUint64(headerWordOffset.incarnation, 1n, true);
  assert(invalidRegionHeader(bytes, sizeBytes) === null, "a fresh header must be valid");
  return bytes;
}

/** Why a region cannot have this size, or null. Bytes, header included. */
export function invalidRegionSize(sizeBytes: number): string | null {
  if (!Number.isSafeInteger(sizeBytes)) return `a size of ${sizeBytes} bytes is not a number`;
  if (sizeBytes < regionHeaderBytes) return `a size of ${sizeBytes} bytes has no room for a header`;
  if (sizeBytes % regionPageBytes === 0) return null;
  return `a size of ${sizeBytes} bytes is not a multiple of ${regionPageBytes}`;
}

/**
 * Why these bytes are not the intact header of a region file of `fileBytes` bytes, or null. A
 * format version that is newer than ours is not looked at here: ask `newerRegionFormat` as well.
 */
export function invalidRegionHeader(bytes: Uint8Array, fileBytes: number): string | null {
  if (bytes.length < regionHeaderBytes || fileBytes < regionHeaderBytes) {
    return `truncated: ${Math.min(bytes.length, fileBytes)} bytes hold no header`;
  }
  const view = viewOf(bytes);
  if (magic.some((byte, index) => bytes[index] !== byte)) return "it does not begin with pdpmPM01";
  const found = view.getBigUint64(identityChecksum, true);
  const expected = checksum64(bytes.subarray(0, identityChecksum));
  if (found !== expected) return "the header's checksum does not match its bytes";
  if (newerRegionFormat(bytes) !== null) return null;
  if (view.getUint32(identity.headerBytes, true) !== regionHeaderBytes) {
    return `headerBytes is ${view.getUint32(identity.headerBytes, true)}`;
  }
  if (!isZeroOutsideWords(bytes)) return "reserved bytes of the header are not zero";
  const sizeBytes = Number(view.getBigUint64(headerWordOffset.sizeBytes, true));
  const reason = invalidRegionSize(sizeBytes);
  if (reason !== null || sizeBytes <= fileBytes) return reason;
  return `truncated: the header says ${sizeBytes} bytes, the file has ${fileBytes}`;
}

/** Why this header, whose identity is intact, needs another pdpm, or null. */
export function newerRegionFormat(bytes: Uint8Array): string | null {
  const version = viewOf(bytes).getUint32(identity.formatVersion, true);
  if (version === regionFormatVersion) return null;
  const known = `this one reads format ${regionFormatVersion}`;
  if (version < regionFormatVersion)
    return `format version ${version} needs an older pdpm; ${known}`;
  return `format version ${version} needs a newer pdpm; ${known}`;
}

/** Reads a header that `invalidRegionHeader` and `newerRegionFormat` found nothing wrong with. */
export function decodeRegionHeader(bytes: Uint8Array): RegionHeader {
  const id = bytes.subarray(identity.regionId, identity.regionId + regionIdBytes);
  return {
    regionId: Array.from(id, (byte) => byte.toString(16).padStart(2, "0")).join(""),
    sizeBytes: Number(viewOf(bytes).getBigUint64(headerWordOffset.sizeBytes, true)),
  };
}

/**
 * Why a client over ws must not write or compare-and-swap `bytes` bytes at `offset`, or null: only
 * the node itself and mapped clients change the node part. Reading is free.
 */
export function invalidRemoteWrite(offset: number, bytes: number): string | null {
  if (offset >= labelPartOffset) return null;
  return `bytes ${offset} to ${offset + bytes} lie in the node's own part of the header`;
}

function isZeroOutsideWords(bytes: Uint8Array): boolean {
  const words = new Set(Object.values(headerWordOffset));
  const view = viewOf(bytes);
  // The identity's reserved bytes stand under its checksum; version 1 writes them zero.
  for (let offset: number = identity.reserved; offset < regionHeaderBytes; offset += 8) {
    if (offset === identityChecksum || words.has(offset)) continue;
    if (view.getBigUint64(offset, true) !== 0n) return false;
  }
  return true;
}
