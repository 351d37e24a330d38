// The transactional store over LMDB: one environment per directory, shared by every process of the
// host that has the store open, or a metadata server's own.
//
// - A commit is a block of nested conditions with the writes innermost, which lmdb's writer thread
//   evaluates in one transaction: no transaction is open while JavaScript runs.
// - `overlappingSync` is off: a commit is durable before anybody sees it, and before its promise
//   resolves. A store that promises "process" durability does not sync at all.
// - Every read resets the read transaction first, which lmdb-js otherwise keeps for a turn of the
//   event loop: so it sees whatever any process was told is committed.
// - Versions are 52 random bits: none is used twice by any process, as far as chance can promise.
// - The record "format" names the store and the format version, and is checked at every opening.

import { accessSync, constants, existsSync, mkdirSync } from "node:fs";
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

/** Raised when a record changes its meaning. */
export const metadataFormatVersion = 1;
/** The most that the metadata may take; address space, not memory. */
const mapBytes: number = 2 ** 36;
const formatKey: StoreKey = "format";

/** How a store is opened. */
export interface LmdbStoreOptions {
  /** A directory of its own, made if it is missing; its parent must be there. */
  readonly path: string;
  readonly durability: "power" | "process";
  readonly storeId: bigint;
}

/**
 * Opens the metadata of a store, and makes it if there is none.
 * @throws PDPM_WRONG_STORE when it is another store's or of a newer format; PDPM_UNAVAILABLE when
 *   the directory cannot be written; PDPM_NO_SPACE; PDPM_CORRUPT.
 */
export async function openLmdbStore(options: LmdbStoreOptions): Promise<TransactionalStore> {
  const { path, durability, storeId } = options;
  let database: Database;
  try {
    // Not recursive: node never returns from that below /proc.
    if (!existsSync(path)) mkdirSync(path);
    accessSync(path, constants.W_OK);
    database = open<Buffer, Buffer>({
      path,
      noSubdir: false,
      mapSize: mapBytes,
      maxReaders: 1024,
      useVersions: true,
      overlappingSync: false,
      noSync: durability === "process",
      keyEncoding: "binary",
      encoding: "binary",
    });
  } catch (error) {
    throw storeFailure(path, error);
  }
  const store = new LmdbStore(path, database);
  try {
    await checkFormat(store, path, storeId);
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
}

type Database = RootDatabase<Buffer, Buffer>;

/** Whoever comes first writes the record; everybody compares. */
async function checkFormat(store: LmdbStore, path: string, storeId: bigint): Promise<void> {
  const wanted = `${metadataFormatVersion} ${storeId.toString(16).padStart(16, "0")}`;
  const value = Buffer.from(wanted, "latin1");
  await store.commit(new Map([[formatKey, 0]]), new Map([[formatKey, value]]));
  const record = await store.get(formatKey);
  const found = Buffer.from(record?.value ?? []).toString("latin1");
  if (found === wanted) return;
  const [version, id] = found.split(" ");
  if (Number(version) > metadataFormatVersion) {
    throw new PdpmError(
      "PDPM_WRONG_STORE",
      `${path}: metadata format ${version} needs a newer pdpm; this one reads ` +
        `format ${metadataFormatVersion}`,
    );
  }
  if (id === undefined)
    throw new PdpmError("PDPM_CORRUPT", `${path}: its format record is damaged`);
  throw new PdpmError("PDPM_WRONG_STORE", `${path} is the metadata of another store (${id})`);
}

function bytesOf(key: StoreKey): Buffer {
  return Buffer.from(key, "latin1");
}

class LmdbStore implements TransactionalStore {
  readonly #path: string;
  readonly #database: Database;
  readonly #prng: Prng = Prng.random();
  #isClosed = false;

  constructor(path: string, database: Database) {
    this.#path = path;
    this.#database = database;
  }

  get(key: StoreKey): Promise<StoreRecord | undefined> {
    return this.#work(() => {
      this.#database.resetReadTxn();
      const entry = this.#database.getEntry(bytesOf(key));
      if (entry === undefined) return undefined;
      return { value: Uint8Array.from(entry.value), version: entry.version as number };
    });
  }

  range({ start, end, limit, reverse = false }: Range): Promise<readonly KeyedRecord[]> {
    return this.#work(() => {
      this.#database.resetReadTxn();
      const records: KeyedRecord[] = [];
      // Backwards LMDB starts at the end, which is not part of the range.
      const bounds = reverse
        ? { start: bytesOf(end), end: bytesOf(start), inclusiveEnd: true }
        : { start: bytesOf(start), end: bytesOf(end) };
      const found = this.#database.getRange({ ...bounds, reverse, versions: true });
      for (const { key, value, version } of found) {
        const text = (key as Buffer).toString("latin1");
        if (text < start || text >= end) continue;
        if (records.length >= limit) break;
        records.push({ key: text, value: Uint8Array.from(value), version: version as number });
      }
      return records;
    });
  }

  commit(expected: Expected, writes: Writes): Promise<boolean> {
    return this.#work(async () => {
      const conditions = [...expected];
      const results: Promise<boolean>[] = [];
      const nest = (depth: number): void => {
        const condition = conditions[depth];
        if (condition === undefined) {
          this.#write(writes, results);
          return;
        }
        const [key, version] = condition;
        const inside = (): void => nest(depth + 1);
        const holds =
          version === 0
            ? this.#database.ifNoExists(bytesOf(key), inside)
            : this.#database.ifVersion(bytesOf(key), version, inside);
        results.push(holds);
      };
      nest(0);
      return (await Promise.all(results)).every((isTrue) => isTrue);
    });
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#database.close();
  }

  /** A write's own promise says whether the conditions around it held; a removal's nothing. */
  #write(writes: Writes, results: Promise<boolean>[]): void {
    for (const [key, value] of writes) {
      if (value === undefined) {
        results.push(this.#database.remove(bytesOf(key)).then(() => true));
        continue;
      }
      const version = 1 + Math.floor(this.#prng.float() * (2 ** 52 - 1));
      const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
      results.push(this.#database.put(bytesOf(key), bytes, version));
    }
  }

  async #work<T>(work: () => T | Promise<T>): Promise<T> {
    if (this.#isClosed) throw new PdpmError("PDPM_CLOSED", "the metadata store was closed");
    try {
      return await work();
    } catch (error) {
      throw storeFailure(this.#path, error);
    }
  }
}

/** A failure of LMDB or of its directory, in our words. */
function storeFailure(path: string, error: unknown): PdpmError {
  if (error instanceof PdpmError) return error;
  const text = error instanceof Error ? error.message : String(error);
  if (/MDB_MAP_FULL|ENOSPC|No space left/.test(text)) {
    return new PdpmError("PDPM_NO_SPACE", `${path}: no space for metadata (${text})`, {
      cause: error,
      outcome: "unknown",
    });
  }
  if (/MDB_(CORRUPTED|INVALID|PAGE_NOTFOUND|VERSION_MISMATCH|PANIC)/.test(text)) {
    return new PdpmError("PDPM_CORRUPT", `${path} is damaged (${text})`, { cause: error });
  }
  return new PdpmError("PDPM_UNAVAILABLE", `${path} cannot be used: ${text}`, {
    cause: error,
    outcome: "unknown",
  });
}
