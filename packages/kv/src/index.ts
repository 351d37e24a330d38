// The contract of a key-value store, and the store that stands on any backend that keeps it.
export type { KeyInput } from "./arguments.ts";
export {
  type Backend,
  type BackendCounters,
  type BackendStats,
  Found,
  type SpaceStats,
  type Supports,
} from "./backend.ts";
export type { Codec } from "./codec.ts";
export {
  isKeyAt,
  type Key,
  keyBytes,
  keyBytesMost,
  keyText,
  toKey,
  valueBytesMost,
} from "./key.ts";
export { decimalOf, finite, type NumberForm } from "./number-form.ts";
export {
  type Check,
  type Checks,
  type CloseOptions,
  checkMilliseconds,
  checkOptions,
  describe,
  type IterateOptions,
  type OperationOptions,
  type WriteOptions,
} from "./options.ts";
export { Patience, type Waiting } from "./patience.ts";
export { SpaceTurns } from "./space-turns.ts";
export { type Entry, Store, type StoreOptions, type Written } from "./store.ts";
export { type Decision, WriteBatch, WriteRequest } from "./write-batch.ts";
export { type WriteProtocol, WriteQueue } from "./write-queue.ts";
