// The metadata service of Clover and Central, over a transactional store.
export { MemoryStore, type MemoryStoreFaults } from "./memory-store.ts";
export { MetadataService, type MetadataServiceOptions, type ReplyTo } from "./service.ts";
export type {
  Expected,
  KeyedRecord,
  Range,
  StoreKey,
  StoreRecord,
  TransactionalStore,
  Writes,
} from "./store.ts";
