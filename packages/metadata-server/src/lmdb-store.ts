// The transactional store over LMDB: one environment per directory, shared by every process of the
// host that has the store open, or a metadata server's own.
//
// - A commit is handed to lmdb's writer thread as a whole: see lmdb-commit.ts.
// - `overlappingSync` is off: a commit is durable before anybody sees it, and before its promise
//   resolves. A store that promises "process" durability does not sync at all.
// - Every read ends its read transaction, which lmdb-js otherwise keeps for a turn of the event
//   loop. So each sees whatever any process was told is committed, and nothing pins old pages.
// - Values are copied, both ways: nothing of LMDB's map or buffers leaves this file.
// - An opening is alone: LMDB then sets the number of the latest transaction, which all processes
//   share, to one that it has read before, without a lock. A commit of another process in between
//   would be lost, and the next one overwrite pages in use. The last close destroys the mutexes
//   that an opening may be about to take over, so that is apart from openings, too.
// - Versions are 52 random bits: none is used twice by any process, as far as chance can promise.
// - The record "format" names the store and the format version, and is checked at every opening.

import { join } from "node:path";
import { PdpmError, Prng } from "@pdpm/base";
import { open, type RootDatabaseOptionsWithPath } from "lmdb";
import { checkKey, commitTo, type Database, keyEncoder, prepareCommit } from "./lmdb-commit.ts";
import { lmdbFailure } from "./lmdb-failure.ts";
import { damageOf, dataFileName, prepareFiles } from "./lmdb-files.ts";
import type {
  Expected,
  KeyedRecord,
  Range,
  Soon,
  StoreKey,
  StoreRecord,
  TransactionalStore,
  Writes,
} from "./store.ts";

/** Raised when a record changes its meaning. */
export const metadataFormatVersion = 1;
const formatKey: StoreKey = "format";
/** Address space, not memory; lmdb-js maps more when the file outgrows it. */
const mapBytes: number = 2 ** 36;

/** Keeps openings of the directory apart from commits and closings, in every process. */
export interface OpeningGate {
  /** Does `open` while nobody is inside. */
  alone<T>(open: () => T): Promise<T>;
  /** Comes in; undefined when that was possible at once. */
  enter(): undefined | Promise<void>;
  leave(): void;
  /** Lets go of what the gate itself holds. */
  close(): void;
}

/** How a store is opened. */
export interface LmdbStoreOptions {
  /** A directory of its own, made if it is missing; its parent must be there. */
  readonly path: string;
  readonly durability: "power" | "process";
  readonly storeId: bigint;
  /** False: the metadata must be there already; that it is not means that it was lost. */
  readonly mayCreate: boolean;
  /** Closed with the store, also when that does not open. */
  readonly gate: OpeningGate;
}

/**
 * Opens the metadata of a store, and makes it if there is none.
 * @throws PDPM_WRONG_STORE when it is another store's, of a newer format, or missing and may not be
 *   made; PDPM_UNAVAILABLE when the directory cannot be written; PDPM_NO_SPACE; PDPM_CORRUPT.
 */
export async function openLmdbStore(options: LmdbStoreOptions): Promise<TransactionalStore> {
  const { path, gate } = options;
  let database: Database;
  try {
    database = await gate.alone(() => {
      prepareFiles(path);
      refuseDamage(path);
      return open<Buffer, StoreKey>(openingOf(options));
    });
  } catch (error) {
    gate.close();
    throw await lmdbFailure(path, error, "not-applied");
  }
  const store = new LmdbStore(path, database, gate);
  try {
    await checkFormat(store, options);
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
}

function openingOf({ path, durability }: LmdbStoreOptions) {
  // lmdb's types leave the last one out. Without it the writer begins a large batch early.
  const opening: RootDatabaseOptionsWithPath & { batchStartThreshold: number } = {
    path,
    noSubdir: false,
    mapSize: mapBytes,
    maxReaders: 1024,
    useVersions: true,
    overlappingSync: false,
    noSync: durability === "process",
    keyEncoder,
    encoding: "binary",
    // A batch per turn would have a promise that nobody gets hold of: its failure ends the process.
    eventTurnBatching: false,
    batchStartThreshold: 2 ** 31,
  };
  return opening;
}

function refuseDamage(path: string): void {
  const damage = damageOf(path);
  if (damage === null) return;
  const text = `${join(path, dataFileName)} is damaged, ${damage}; restore ${path} from a copy`;
  throw new PdpmError("PDPM_CORRUPT", text);
}

/** Whoever comes first writes the record; everybody compares. */
async function checkFormat(
  store: TransactionalStore,
  { path, storeId, mayCreate }: LmdbStoreOptions,
): Promise<void> {
  const wanted = `${metadataFormatVersion} ${storeId.toString(16).padStart(16, "0")}`;
  const value = Buffer.from(wanted, "latin1");
  if (mayCreate) await store.commit(new Map([[formatKey, 0]]), new Map([[formatKey, value]]));
  const record = await store.get(formatKey);
  if (record === undefined) {
    const text = `there is no metadata in ${path}, or it was lost; restore it from a copy`;
    throw new PdpmError("PDPM_WRONG_STORE", text);
  }
  const found = Buffer.from(record.value).toString("latin1");
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

class LmdbStore implements TransactionalStore {
  readonly #path: string;
  readonly #database: Database;
  readonly #gate: OpeningGate;
  readonly #prng: Prng = Prng.random();
  #commits = 0;
  #whenIdle: () => void = () => {};
  #closing: Promise<void> | undefined;

  constructor(path: string, database: Database, gate: OpeningGate) {
    this.#path = path;
    this.#database = database;
    this.#gate = gate;
  }

  get(key: StoreKey): Soon<StoreRecord | undefined> {
    return this.#read(() => {
      checkKey(key);
      const entry = this.#database.getEntry(key);
      return entry && { value: copyOf(entry.value), version: entry.version as number };
    });
  }

  async range({ start, end, limit, reverse = false }: Range): Promise<readonly KeyedRecord[]> {
    if (start >= end || limit < 1) return this.#read(() => []);
    // Backwards LMDB starts at the end, which is not part of the range.
    const bounds = reverse ? { start: end, end: start, inclusiveEnd: true } : { start, end };
    return this.#read(() => {
      const records: KeyedRecord[] = [];
      for (const found of this.#database.getRange({ ...bounds, reverse, versions: true })) {
        const { key, value, version } = found;
        if (key < start || key >= end) continue;
        records.push({ key, value: copyOf(value), version: version as number });
        if (records.length >= limit) break;
      }
      return records;
    });
  }

  async commit(expected: Expected, writes: Writes): Promise<boolean> {
    this.#mustBeOpen();
    const commit = prepareCommit(expected, writes);
    this.#commits += 1;
    try {
      return await this.#inside(async () => {
        this.#mustBeOpen();
        return await commitTo(this.#database, commit, () => this.#newVersion());
      });
    } catch (error) {
      throw await lmdbFailure(this.#path, error, "unknown");
    } finally {
      this.#commits -= 1;
      if (this.#commits === 0) this.#whenIdle();
    }
  }

  /** Rejects with PDPM_IN_USE when another process opens it for too long; then it stays open. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#commits > 0) {
      await new Promise<void>((resolve) => {
        this.#whenIdle = resolve;
      });
    }
    await this.#inside(() => this.#database.close());
    this.#gate.close();
  }

  async #inside<T>(work: () => Promise<T>): Promise<T> {
    const waiting = this.#gate.enter();
    if (waiting !== undefined) await waiting;
    try {
      return await work();
    } finally {
      this.#gate.leave();
    }
  }

  #read<T>(read: () => T): Soon<T> {
    if (this.#closing !== undefined) return Promise.reject(closed());
    try {
      return read();
    } catch (error) {
      return lmdbFailure(this.#path, error, "not-applied").then((failure) => {
        throw failure;
      });
    } finally {
      this.#database.resetReadTxn();
    }
  }

  #newVersion(): number {
    return 1 + Math.floor(this.#prng.float() * (2 ** 52 - 1));
  }

  #mustBeOpen(): void {
    if (this.#closing !== undefined) throw closed();
  }
}

function closed(): PdpmError {
  return new PdpmError("PDPM_CLOSED", "the metadata store was closed");
}

/** Its own slices are copies, other than a Buffer's. */
function copyOf(value: Buffer): Uint8Array {
  return new Uint8Array(value);
}
