// The transactional store over LMDB: one environment per directory, shared by every process of the
// host that has the store open.

import { PdpmError, Prng } from "@pdpm/base";
import { open, type RootDatabase } from "lmdb";
import type {
  Expected,
  KeyedRecord,
  Range,
  StoreKey,
  StoreRecord,
  TransactionalStore,
  Writes,
} from "./store.ts";

export interface LmdbStoreOptions {
  readonly path: string;
  readonly durability: "power" | "process";
  readonly storeId: bigint;
}

export async function openLmdbStore(options: LmdbStoreOptions): Promise<TransactionalStore> {
  const db = open<Buffer, Buffer>({
    path: options.path,
    useVersions: true,
    overlappingSync: false,
    noSync: options.durability === "process",
    keyEncoding: "binary",
    encoding: "binary",
    noSubdir: false,
  });
  return new LmdbStore(db);
}

function bytesOf(key: StoreKey): Buffer {
  return Buffer.from(key, "latin1");
}

class LmdbStore implements TransactionalStore {
  readonly #db: RootDatabase<Buffer, Buffer>;
  readonly #prng = Prng.random();
  constructor(db: RootDatabase<Buffer, Buffer>) {
    this.#db = db;
  }
  async get(key: StoreKey): Promise<StoreRecord | undefined> {
    this.#db.resetReadTxn();
    const entry = this.#db.getEntry(bytesOf(key));
    if (entry === undefined) return undefined;
    return { value: new Uint8Array(entry.value), version: entry.version as number };
  }
  async range(range: Range): Promise<readonly KeyedRecord[]> {
    this.#db.resetReadTxn();
    const records: KeyedRecord[] = [];
    const start = bytesOf(range.start);
    const end = bytesOf(range.end);
    if (range.reverse) {
      const found = this.#db.getRange({
        start: end,
        end: start,
        reverse: true,
        limit: range.limit + 1,
        versions: true,
      });
      for (const { key, value, version } of found) {
        const text = (key as Buffer).toString("latin1");
        if (text >= range.end || text < range.start || records.length >= range.limit) continue;
        records.push({ key: text, value: new Uint8Array(value), version: version as number });
      }
      return records;
    }
    const found = this.#db.getRange({ start, end, limit: range.limit, versions: true });
    for (const { key, value, version } of found) {
      records.push({
        key: (key as Buffer).toString("latin1"),
        value: new Uint8Array(value),
        version: version as number,
      });
    }
    return records;
  }
  async commit(expected: Expected, writes: Writes): Promise<boolean> {
    const conditions = [...expected];
    const results: Promise<boolean>[] = [];
    const go = (i: number): void => {
      if (i === conditions.length) {
        for (const [key, value] of writes) {
          if (value === undefined) void this.#db.remove(bytesOf(key));
          else
            void this.#db.put(
              bytesOf(key),
              Buffer.from(value),
              1 + Math.floor(this.#prng.float() * 2 ** 52),
            );
        }
        return;
      }
      const [key, version] = conditions[i] as [StoreKey, number];
      const inner = (): void => go(i + 1);
      results.push(
        version === 0
          ? this.#db.ifNoExists(bytesOf(key), inner)
          : this.#db.ifVersion(bytesOf(key), version, inner),
      );
    };
    if (conditions.length === 0) throw new PdpmError("PDPM_INVALID_ARGUMENT", "expects nothing");
    go(0);
    return (await Promise.all(results)).every(Boolean);
  }
  async close(): Promise<void> {
    await this.#db.close();
  }
}
