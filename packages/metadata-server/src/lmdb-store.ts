// The transactional store over LMDB.
export type { TransactionalStore } from "./store.ts";
