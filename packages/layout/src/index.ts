// The bytes of pdpm: addresses, words, buckets, slots, region headers. FORMAT.md is its document.
export {
  type Address,
  addressOf,
  addressText,
  cellUnitBytes,
  chunkBytesMost,
  chunkNumberLimit,
  chunkOf,
  headerChunk,
  offsetOf,
} from "./address.ts";
export { BucketImage, bucketEntries, bucketFields, entryOffset } from "./bucket.ts";
export {
  bufferBytes,
  bufferClassCount,
  bufferClassFor,
  buffersPerChunk,
  buffersPerSpan,
  isBufferClass,
  spansPerChunk,
} from "./buffer-class.ts";
export { u16At, u32At } from "./bytes.ts";
export { checkedWord, highOf, lowOf, numberOf, numberWord, wordAt } from "./checked-word.ts";
export { checksum64 } from "./checksum.ts";
export {
  type BodyCheck,
  type BufferHeader,
  bufferCommitNumber,
  bufferFields,
  bufferHeaderBytes,
  bufferImageBytes,
  bufferKeyBytes,
  bufferValueBytes,
  bufferValueOffset,
  checkBody,
  decodeBufferHeader,
  encodeBuffer,
  isBufferAtRest,
  renewHeader,
} from "./data-buffer.ts";
export {
  clearedEntry,
  decodeEntry,
  type Entry,
  entryWord,
  fingerprintLimit,
} from "./entry-word.ts";
export {
  decodeLease,
  encodeLease,
  LeaseKind,
  type LeaseRecord,
  leaseFields,
  leaseIdentity,
} from "./lease-record.ts";
export {
  addressIn,
  gcVersionIn,
  gcVersionMost,
  headMarkOf,
  isHeadMark,
  isPending,
  isPointer,
  type Link,
  linkIn,
  type Pointer,
  pendingHeadMarkOf,
  pointerOf,
  pointerText,
  pointerTo,
  sealOf,
  withoutPending,
  withPending,
} from "./link-word.ts";
export {
  leaseRecordBytes,
  leaseRecordCount,
  RootGeometry,
  rootWords,
  rootWordsBytes,
} from "./root-chunk.ts";
export {
  bucketBytes,
  bucketClass,
  cellBytes,
  copyCapacity,
  isSizeClass,
  sizeClassFor,
  slotClassCount,
} from "./size-class.ts";
export {
  type CopyCheck,
  checkCopy,
  checkHeader,
  checkValue,
  copyBytes,
  copyCommitNumber,
  copyHeaderBytes,
  decodeCopy,
  encodeCopy,
  type SlotCopy,
  valueOffset,
} from "./slot-copy.ts";
export {
  CellState,
  type CellWord,
  clientIdMost,
  decodeState,
  decodeStateParts,
  incarnationMost,
  isFreeLive,
  stateWord,
} from "./state-word.ts";
export { ChunkState, decodeTable, type TableEntry, tableWord } from "./table-word.ts";
