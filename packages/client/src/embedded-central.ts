// Central embedded: the process that holds the coordinator's lock hosts it, and listens on a Unix
// socket in the directory; every other client of the directory sends its requests there. When the
// holder dies, or leaves, the next one takes over.
//
// What must hold: only the holder of the lock hosts, and it lets go of it after everything of its
// coordinator has ended. A request is sent once; what became of one that was lost is the backend's
// to ask (H11, H15). Who waits for a host that does not answer learns its pid, for `pdpm evict`.

import { join } from "node:path";
import { type Clock, isPdpmError, PdpmError, Prng } from "@pdpm/base";
import { CentralBackend } from "@pdpm/central";
import { Listener } from "@pdpm/metadata-server/listener";
import { RemoteService } from "@pdpm/metadata-server/remote";
import { wireVersion } from "@pdpm/metadata-server/wire";
import { FileLock, holdersOf, processText } from "@pdpm/transport-mapped";
import type { CounterTable } from "@pdpm/verbs";
import { type RunningCoordinator, startCoordinator } from "./coordinator.ts";
import { CoordinatorSocket } from "./coordinator-socket.ts";
import { openEmbeddedMetadata } from "./embedded-metadata.ts";
import type { FoundLabel } from "./label-nodes.ts";
import type { Membership } from "./membership.ts";
import { enterNamespace } from "./namespace-guard.ts";
import { noHousekeeping, type OpenClient } from "./open-client.ts";

/** A mapped region as this file needs it. */
export interface EmbeddedCentralParts {
  readonly clock: Clock;
  readonly directory: string;
  readonly found: FoundLabel;
  readonly nodes: Parameters<typeof startCoordinator>[0]["nodes"];
  /** What the region has beside its header and the root chunk. */
  readonly dataBytes: () => number;
  readonly membership: Membership;
  readonly timeoutMs: number;
  readonly counters: CounterTable;
  /** The last step of close(). */
  readonly end: () => Promise<void>;
}

/** A coordinator hosted here, with all that it holds. */
interface Hosted {
  handle(request: unknown): unknown;
  close(timeoutMs: number): Promise<void>;
}

/** For one connection to whoever hosts. Milliseconds. */
const connectMs = 1000;

/** Opens a client of a Central store in a directory. */
export async function openEmbeddedCentral(parts: EmbeddedCentralParts): Promise<OpenClient> {
  const way = new WayToCoordinator(parts);
  try {
    const backend = await CentralBackend.open(
      {
        clock: parts.clock,
        prng: Prng.random(),
        coordinator: (request) => way.call(request),
        silent: () => way.silent(),
        clientId: process.pid,
        counters: parts.counters,
        leave: async (timeoutMs) => {
          await way.close(timeoutMs);
          await parts.end();
        },
      },
      parts.timeoutMs,
    );
    return { backend, housekeeping: noHousekeeping };
  } catch (error) {
    await way.close(parts.timeoutMs);
    await parts.end();
    throw error;
  }
}

/** The way to whoever coordinates now. */
class WayToCoordinator {
  readonly #parts: EmbeddedCentralParts;
  readonly #lockPath: string;
  readonly #socket: CoordinatorSocket;
  readonly #closing = new AbortController();
  #hosted: Hosted | undefined;
  #remote: RemoteService | undefined;
  #finding: Promise<void> | undefined;
  /** Somebody else had the lock when it was tried last. */
  #isTaken = false;

  constructor(parts: EmbeddedCentralParts) {
    this.#parts = parts;
    this.#lockPath = join(parts.directory, "locks", "coordinator");
    this.#socket = new CoordinatorSocket(parts.directory);
  }

  /** Sends one request, once. */
  async call(request: unknown): Promise<unknown> {
    this.#refuseIfClosed();
    if (this.#hosted === undefined && !this.#remote?.isConnected) {
      this.#finding ??= this.#find().finally(() => {
        this.#finding = undefined;
      });
      await this.#finding;
    }
    if (this.#hosted !== undefined) return this.#hosted.handle(request);
    const remote = this.#remote;
    if (remote === undefined) throw this.#unreachable();
    return remote.call(request, false);
  }

  /** Whose answer a request waits for, in words; undefined when that is of this client's making. */
  silent(): string | undefined {
    // Whoever has the lock stands alone in its file until the next one has it.
    const [holder] = this.#isTaken ? holdersOf(this.#lockPath) : [];
    return holder && `${processText(holder)} hosts the store's coordinator and does not answer`;
  }

  /** Lets go: of the office, if it is held here, so that the next one takes over. */
  async close(timeoutMs: number): Promise<void> {
    this.#closing.abort();
    await this.#finding?.catch(() => undefined); // Its caller was told.
    await this.#remote?.close();
    await this.#hosted?.close(timeoutMs);
    this.#hosted = undefined;
    this.#socket.close();
  }

  #refuseIfClosed(): void {
    if (!this.#closing.signal.aborted) return;
    throw new PdpmError("PDPM_CLOSED", "the store was closed; open it again");
  }

  /** Whoever gets the lock hosts; the others connect to the one who has it. */
  async #find(): Promise<void> {
    const stale = this.#remote;
    this.#remote = undefined;
    await stale?.close();
    this.#refuseIfClosed();
    const lock = FileLock.tryTake(this.#lockPath, "exclusive");
    this.#isTaken = lock === null;
    if (lock !== null) {
      try {
        this.#hosted = await this.#host(lock);
      } catch (error) {
        lock.release();
        throw error;
      }
      return;
    }
    const { clock } = this.#parts;
    const prng = Prng.random();
    try {
      this.#remote = await RemoteService.connect({
        url: this.#socket.path,
        clock,
        prng,
        connectTimeoutMs: connectMs,
        timeoutMs: this.#parts.timeoutMs,
        signal: this.#closing.signal,
      });
    } catch (error) {
      // It is about to listen, or about to end: the backend tries again.
      if (!isPdpmError(error)) throw error;
      throw this.#unreachable(error);
    }
  }

  async #host(lock: FileLock): Promise<Hosted> {
    const { clock, directory, found, nodes, membership, timeoutMs, counters } = this.#parts;
    const namespace = enterNamespace(directory);
    const undo: (() => unknown)[] = [() => lock.release(), () => namespace.release()];
    const close = async (): Promise<void> => {
      for (const step of undo.splice(0).reverse()) await step();
    };
    try {
      const metadata = await openEmbeddedMetadata(directory, found, this.#parts.dataBytes());
      undo.push(() => metadata.close());
      const coordinator: RunningCoordinator = await startCoordinator({
        clock,
        label: found.label,
        nodes,
        metadata: metadata.handle,
        membership,
        timeoutMs,
        counters,
        // Only with its lock can it be deposed, and that falls with its process.
        deposed: () => undefined,
      });
      undo.push(() => coordinator.close(timeoutMs));
      this.#socket.remove();
      const listener = await Listener.start({
        at: { socketPath: this.#socket.path },
        clock,
        hello: {
          protocol: wireVersion,
          storeId: found.storeId.toString(16).padStart(16, "0"),
          design: "central",
          pid: process.pid,
          features: [],
          credential: "",
          memoryNodes: [],
        },
        handle: async (request) => coordinator.host.handle(request),
      });
      // Before the coordinator in this list, hence after it: what is under way is answered first.
      undo.splice(-1, 0, () => listener.close());
      return { handle: coordinator.host.handle, close };
    } catch (error) {
      // The lock is the caller's to let go, once.
      undo[0] = () => undefined;
      await close();
      throw error;
    }
  }

  #unreachable(cause?: unknown): PdpmError {
    const text = this.silent() ?? "the store's coordinator cannot be reached";
    return new PdpmError("PDPM_UNAVAILABLE", text, { cause });
  }
}
