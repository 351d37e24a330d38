// fsck: looks at a store's directory that nobody uses, byte by byte, and mends it if asked to.
//
// What must hold:
// - Nobody else has the directory meanwhile: the node lock is held exclusively, and no lease lives
//   (mapped clients of a memory node hold no node lock). So everybody else is dead.
// - Without `repair` nothing in the region changes.
// - A poisoned region is not believed before all of it was written anew and synced (design H18):
//   the kernel calls the pages clean that it lost, so a flush alone would prove nothing.
// - After a repair that changed something no ws client of before is admitted: its session would go
//   on with what was taken from it (H6, H19). The marks are cleared last.

import { closeSync, existsSync, fsyncSync, openSync } from "node:fs";
import { join, resolve } from "node:path";
import { isPdpmError, PdpmError, Prng, systemClock } from "@pdpm/base";
import { auditStore, type Context, membersServer, repairStore, Session } from "@pdpm/direct";
import type { SpaceStats } from "@pdpm/kv";
import type { StoreLabel } from "@pdpm/layout/region-header";
import {
  bootWord,
  FileLock,
  LeaseFiles,
  MappedFabric,
  MappedRegion,
  nodeLockName,
  regionFileName,
} from "@pdpm/transport-mapped";
import { ChunkMap, CounterTable, type Protocol, Router, Runner } from "@pdpm/verbs";
import { labelNode } from "./label-nodes.ts";
import { requireLinux } from "./platform.ts";

/** Options of fsck(). */
export interface FsckOptions {
  /** Mend what is wrong; what cannot be read is lost. @defaultValue false */
  readonly repair?: boolean | undefined;
}

/**
 * What fsck found, and did. Each text is a sentence that names the place, and the key if that can
 * be read.
 */
export interface FsckReport {
  /** What was wrong. Empty: the store is sound. */
  readonly problems: readonly string[];
  /** What a repair did. */
  readonly repaired: readonly string[];
  /** Keys that a repair gave up, as no copy of their value could be believed. */
  readonly lost: readonly string[];
  /** What is wrong now: after a repair, what could not be mended. */
  readonly remaining: readonly string[];
  /** Keys now. */
  readonly keys: number;
  readonly space: SpaceStats;
  /**
   * Cells, buckets and root words that dead clients held: the living take them back by themselves.
   */
  readonly heldByDead: number;
}

const pageBytes = 4096;

/**
 * Checks the store in `directory`, and mends it with `repair`.
 *
 * @throws PDPM_IN_USE naming the process that has it open; PDPM_WRONG_STORE for a node of a larger
 * cluster,
 *   another design or a newer format; PDPM_CORRUPT when its file is truncated or its header broken;
 *   PDPM_POISONED when the disk still fails; PDPM_INVALID_ARGUMENT when there is no store.
 */
export async function fsck(directory: string, options: FsckOptions = {}): Promise<FsckReport> {
  requireLinux();
  const path = storePath(directory);
  const lock = FileLock.take(join(path, "locks", nodeLockName), "exclusive");
  try {
    const leases = new LeaseFiles(path);
    refuseLiving(path, leases);
    const region = MappedRegion.open(path, systemClock, { evenPoisoned: true });
    try {
      return await new Check(path, region, leases).run(options.repair === true);
    } finally {
      await region.close();
    }
  } finally {
    lock.release();
  }
}

/** The full path of a directory that holds a store. @throws PDPM_INVALID_ARGUMENT */
export function storePath(directory: string): string {
  const isPath = typeof directory === "string" && directory !== "";
  if (isPath && existsSync(join(directory, regionFileName))) return resolve(directory);
  throw new PdpmError("PDPM_INVALID_ARGUMENT", `there is no store in "${directory}"`);
}

function refuseLiving(path: string, leases: LeaseFiles): void {
  for (const id of leases.scan()) {
    const judgement = leases.judge(id);
    if (judgement.state === "dead") judgement.grave?.leave();
    if (judgement.state !== "alive") continue;
    const who = `pid ${judgement.pid} (${judgement.command})`;
    throw new PdpmError("PDPM_IN_USE", `${path} is open in ${who}; close it there first`);
  }
}

/** One run of fsck over an open region. */
class Check {
  readonly #path: string;
  readonly #region: MappedRegion;
  readonly #fabric: MappedFabric;
  readonly #leases: LeaseFiles;

  constructor(path: string, region: MappedRegion, leases: LeaseFiles) {
    this.#path = path;
    this.#region = region;
    this.#fabric = new MappedFabric(region);
    this.#leases = leases;
  }

  async run(mayRepair: boolean): Promise<FsckReport> {
    const label = await this.#label();
    if (label === undefined) return nothing;
    const { header } = this.#region;
    const marks = this.#marks(label);
    const before = await this.#run(label, Number(header.load("nextClientId")), auditStore);
    const problems = [...marks, ...before.problems.map(String)];
    const heldByDead = [...before.heldBy.values()].reduce((sum, count) => sum + count, 0);
    const { keys, space } = before;
    const found = { problems, heldByDead };
    if (!mayRepair) {
      return { ...found, repaired: [], lost: [], remaining: problems, keys, space };
    }
    if (header.load("poisoned") !== 0n) await this.#writeAnew();
    const id = await this.#region.takeClientId(true);
    const mend = (context: Context): ReturnType<typeof repairStore> => repairStore(context, before);
    const { repaired, lost } = await this.#run(label, id, mend, "power");
    if (repaired.length + marks.length > 0) await this.#beginIncarnation();
    await this.#clearInUse();
    this.#bury();
    const after = await this.#run(label, id, auditStore);
    return {
      ...found,
      repaired: [...marks.map((mark) => `${mark}: the mark was cleared`), ...repaired],
      lost,
      remaining: after.problems.map(String),
      keys: after.keys,
      space: after.space,
    };
  }

  /** Undefined: no store was made here yet. */
  async #label(): Promise<StoreLabel | undefined> {
    const found = await labelNode(new CounterTable(), this.#fabric, undefined);
    if (found === undefined) return undefined;
    const { label } = found;
    const wrong = (text: string): PdpmError =>
      new PdpmError("PDPM_WRONG_STORE", `${this.#path} ${text}`);
    if (label.design !== "direct") {
      throw wrong(`is of design ${label.design}; this version checks direct only`);
    }
    if (label.nodeCount === 1) return label;
    throw wrong(
      `is node ${label.nodeId} of ${label.nodeCount} of a cluster, and says nothing without the ` +
        "others; a store in one directory can be checked",
    );
  }

  /** Marks in the header that keep the store from being opened. */
  #marks(label: StoreLabel): string[] {
    const { header } = this.#region;
    const marks: string[] = [];
    const poisoned = header.load("poisoned");
    if (poisoned !== 0n) marks.push(`a flush of its file failed (error ${poisoned})`);
    const inUse = header.load("inUseBoot");
    if (label.durability === "process" && inUse !== 0n && inUse !== bootWord()) {
      marks.push('it was in use when the machine went down, and it promises "process" only');
    }
    return marks;
  }

  /** Runs a protocol under a client id, with everybody else dead. A look flushes nothing. */
  async #run<T>(
    label: StoreLabel,
    clientId: number,
    protocol: (context: Context) => Protocol<T>,
    durability: "power" | "process" = "process",
  ): Promise<T> {
    const chunks = new ChunkMap(label.chunkBytes);
    const servers = new Map([[membersServer, () => ({ alive: false, who: "dead" })]]);
    const router = new Router(systemClock, chunks, [this.#fabric], servers);
    const runner = new Runner(router, systemClock);
    const session = new Session({
      clientId,
      chunks,
      nodeCount: 1,
      chunksMost: label.chunksMost,
      durability,
      cursorsMost: 1,
      prng: Prng.random(),
      running: () => runner.running(),
    });
    const operation = runner.operation("fsck");
    try {
      return await runner.run(operation, protocol({ session, operation }), {});
    } catch (error) {
      // Chunks beyond the region's end: its header's size is wrong, or the table is.
      if (!isPdpmError(error) || error.code !== "PDPM_INVALID_ARGUMENT") throw error;
      const text = `${this.#path}: its chunks do not fit into its ${this.#region.sizeBytes} bytes`;
      throw new PdpmError("PDPM_CORRUPT", text, { cause: error });
    }
  }

  /** Makes every page dirty and syncs the file; only then is the poison gone. */
  async #writeAnew(): Promise<void> {
    const region = this.#region;
    const descriptor = openSync(region.file.path, "r");
    try {
      const page = new Uint8Array(8);
      const view = new DataView(page.buffer);
      for (let offset = 0; offset < region.sizeBytes; offset += pageBytes) {
        region.read(offset, page);
        const word = view.getBigUint64(0, true);
        region.compareAndSwap(offset, word, word);
      }
      fsyncSync(descriptor);
    } catch (error) {
      if (isPdpmError(error)) throw error;
      const text = `${region.file.path} still cannot be written: ${String(error)}`;
      throw new PdpmError("PDPM_POISONED", text, { cause: error });
    } finally {
      closeSync(descriptor);
    }
    region.header.store("poisoned", 0n);
    await region.flushHeaderWord("poisoned");
  }

  /** No ws client of before is admitted any more: as when a node starts after a crash. */
  async #beginIncarnation(): Promise<void> {
    const { header } = this.#region;
    header.fetchAdd("incarnation", 1n);
    header.raise("fencedThrough", header.load("admittedThrough"));
    header.raise("nextClientId", header.load("fencedThrough"));
    for (const name of ["incarnation", "fencedThrough", "nextClientId"] as const) {
      await this.#region.flushHeaderWord(name);
    }
  }

  async #clearInUse(): Promise<void> {
    await this.#region.flushAll();
    this.#region.header.store("inUseBoot", 0n);
    await this.#region.flushHeaderWord("inUseBoot");
  }

  /** Removes the lease files of the dead, which hold nothing any more. */
  #bury(): void {
    for (const id of this.#leases.scan()) {
      const judgement = this.#leases.judge(id);
      if (judgement.state === "dead") judgement.grave?.buried();
    }
  }
}

/** What is to be said of a directory in which no store was made yet. */
const nothing: FsckReport = {
  problems: [],
  repaired: [],
  lost: [],
  remaining: [],
  keys: 0,
  space: {
    chunkBytes: 0,
    chunks: 0,
    chunksMost: 0,
    cellsLive: 0,
    cellsFree: 0,
    cellsUncommitted: 0,
    bytesLive: 0,
  },
  heldByDead: 0,
};
