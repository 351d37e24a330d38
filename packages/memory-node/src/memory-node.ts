// A memory node: owns one region file and serves it over ws. It is passive: it applies verbs to
// bytes and knows nothing of what they mean.
//
// - One process serves a directory at a time: the holder of its node lock.
// - Start and close are in order and undo themselves: lock, region, fenced ids, server; and back.

import { join } from "node:path";
import { type Clock, PdpmError, systemClock } from "@pdpm/base";
import { frameProtocolVersion } from "@pdpm/layout/frame";
import { regionFormatVersion, regionHeaderBytes } from "@pdpm/layout/region-header";
import { bootId, FileLock, type MappedRegion, nodeLockName } from "@pdpm/transport-mapped";
import {
  type Connection,
  type Judgement,
  type MemoryServer,
  type MemoryService,
  type NodeHello,
  type NodeStats,
  serveMemory,
  VerbCounter,
} from "@pdpm/transport-ws";
import { Admissions } from "./admissions.ts";
import { FencedIds } from "./fenced-ids.ts";
import { GuardedMemory } from "./guarded-memory.ts";
import { labelOf } from "./label.ts";
import { checkListenAddress } from "./listen-address.ts";
import { MappedClients } from "./mapped-clients.ts";
import { endRegion, startRegion } from "./region-start.ts";

/** How a memory node is started. */
export interface MemoryNodeOptions {
  /** Its directory: `region.pm`, `fenced`, `locks/`, `leases/`. Made if it is missing. */
  readonly dir: string;
  /** `127.0.0.1`, `::1` or `localhost`. @defaultValue "127.0.0.1" */
  readonly host?: string;
  /** 0 takes any free port. @defaultValue 0 */
  readonly port?: number;
  /** Size of a region that is made, header included. @defaultValue the header alone */
  readonly initialBytes?: number;
  /** The region grows no further. Bytes, header included. @defaultValue no limit */
  readonly maxBytes?: number;
  /** @defaultValue the system's clock */
  readonly clock?: Clock;
  /** A client that is silent for two of these is cut off. @defaultValue 30000 */
  readonly keepAliveMs?: number;
}

type Undo = () => Promise<void>;

/** Takes every step, whatever the ones before it met. Rejects with the first failure. */
async function undoAll([step, ...rest]: readonly Undo[]): Promise<void> {
  try {
    await step?.();
  } finally {
    if (rest.length > 0) await undoAll(rest);
  }
}

/** A running memory node. Made by `MemoryNode.start`. */
export class MemoryNode implements MemoryService {
  readonly memory: GuardedMemory;
  readonly applied: VerbCounter = new VerbCounter();
  readonly #region: MappedRegion;
  readonly #admissions: Admissions;
  /** Undoes what `start` did, the last first. */
  readonly #undo: readonly Undo[];
  #server: MemoryServer | undefined;
  #closing: Promise<void> | undefined;

  private constructor(
    region: MappedRegion,
    fenced: FencedIds,
    mapped: MappedClients,
    undo: readonly Undo[],
  ) {
    this.#region = region;
    this.#admissions = new Admissions(region, fenced, mapped);
    this.#undo = undo;
    this.memory = new GuardedMemory(region);
  }

  /**
   * Opens or makes the region of `dir`, and serves it.
   *
   * Rejects with PDPM_INVALID_ARGUMENT for an address that is not loopback; PDPM_IN_USE when
   * another process serves `dir` (it is named) or the port is taken; PDPM_CORRUPT, PDPM_POISONED,
   * PDPM_WRONG_STORE, PDPM_UNSUPPORTED and PDPM_NO_SPACE as the region says. Then nothing is held.
   */
  static async start(options: MemoryNodeOptions): Promise<MemoryNode> {
    const { dir, maxBytes } = options;
    const host = options.host ?? "127.0.0.1";
    const port = options.port ?? 0;
    const initialBytes = options.initialBytes ?? regionHeaderBytes;
    const clock = options.clock ?? systemClock;
    checkListenAddress(host, port);
    if (maxBytes !== undefined && !(maxBytes >= initialBytes)) {
      const text = `maxBytes ${maxBytes} is less than the ${initialBytes} that a region begins with`;
      throw new PdpmError("PDPM_INVALID_ARGUMENT", text);
    }
    const lock = FileLock.take(join(dir, "locks", nodeLockName), "exclusive");
    const undo: Undo[] = [async () => lock.release()];
    try {
      const mapped = new MappedClients(dir);
      const region = await startRegion(dir, clock, { initialBytes, maxBytes });
      undo.unshift(() => endRegion(dir, clock, region, mapped));
      const through = Number(region.header.load("fencedThrough"));
      const isNeeded = (id: number): boolean => id > through || mapped.judge(id).alive;
      const fenced = await FencedIds.open(dir, isNeeded);
      undo.unshift(() => fenced.close());
      const node = new MemoryNode(region, fenced, mapped, undo);
      const { keepAliveMs } = options;
      const timing = keepAliveMs === undefined ? {} : { keepAliveMs };
      const server = await serveMemory({ service: node, host, port, clock, ...timing });
      undo.unshift(() => server.close());
      node.#server = server;
      return node;
    } catch (error) {
      // The first failure is the one to report.
      await undoAll(undo).catch(() => undefined);
      throw error;
    }
  }

  /** `ws://HOST:PORT`, with the port that it really listens on. */
  get url(): string {
    return this.#served.url;
  }

  hello(): NodeHello {
    const { header, file, regionId, sizeBytes } = this.#region;
    const label = labelOf(header);
    return {
      protocol: frameProtocolVersion,
      format: regionFormatVersion,
      features: [],
      credential: "",
      storeId: label?.storeId ?? null,
      storeWord: label?.storeWord ?? null,
      nodeId: label?.nodeId ?? null,
      design: label?.design ?? null,
      durability: label?.durability ?? null,
      incarnation: Number(header.load("incarnation")),
      bootId: bootId(),
      region: { id: regionId, ...file },
      sizeBytes,
      pid: process.pid,
    };
  }

  admit(connection: Connection, id: number | undefined): Promise<number> {
    return this.#admissions.admit(connection, id);
  }

  fence(id: number): Promise<void> {
    return this.#admissions.fence(id);
  }

  judge(id: number): Judgement {
    return this.#admissions.judge(id);
  }

  async extend(sizeBytes: number): Promise<number> {
    await this.memory.extend(sizeBytes);
    return this.memory.sizeBytes;
  }

  stats(): NodeStats {
    const { user, system } = process.cpuUsage();
    return {
      applied: this.applied.snapshot(),
      pid: process.pid,
      cpuSeconds: (user + system) / 1e6,
      sizeBytes: this.memory.sizeBytes,
      connections: this.#served.connections,
      fenced: this.#admissions.fenced,
    };
  }

  /**
   * Stops accepting, ends every connection, waits for what was running, makes everything durable
   * and leaves a mark of that, so that the next start is no new incarnation.
   * Rejects with PDPM_POISONED when that flush failed; everything is let go of even then.
   */
  close(): Promise<void> {
    this.#closing ??= undoAll(this.#undo);
    return this.#closing;
  }

  get #served(): MemoryServer {
    if (this.#server !== undefined) return this.#server;
    throw new PdpmError("PDPM_UNAVAILABLE", "the memory node is starting");
  }
}
