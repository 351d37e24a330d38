// The metadata service of Clover and Central, over a transactional store.
export type {
  Expected,
  KeyedRecord,
  Range,
  StoreKey,
  StoreRecord,
  TransactionalStore,
  Writes,
} from "./store.ts";
