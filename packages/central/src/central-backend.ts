// Central behind the backend contract: one client of one store. It holds no metadata and touches no
// memory node; every operation is one call to the coordinator.

import { type Clock, PdpmError, type Prng } from "@pdpm/base";
import {
  type Backend,
  type BackendCounters,
  type BackendStats,
  Found,
  type Key,
  keyBytes,
  type Supports,
} from "@pdpm/kv";
import {
  type CallHandler,
  ChunkMap,
  type CounterTable,
  type Limits,
  type Protocol,
  Router,
  Runner,
} from "@pdpm/verbs";
import { bounded } from "./call-window.ts";
import { type KeyPage, keysOf } from "./key-scan.ts";
import { coordinatorServer } from "./protocol.ts";
import {
  askCoordinator,
  type ClientContext,
  ClientSession,
  contextOf,
  greet,
  sayGoodBye,
  sendWrite,
} from "./requests.ts";

/** What a client stands on. */
export interface CentralBackendParts {
  readonly clock: Clock;
  readonly prng: Prng;
  /**
   * Reaches the coordinator, whoever that is now: in this process, or over a socket. Rejects with
   * PDPM_UNAVAILABLE when no answer came, and says in `outcome` whether the request may have
   * arrived. It never sends a request twice.
   */
  readonly coordinator: CallHandler;
  /** The coordinator's process, in words, if it is known and not this one. */
  readonly silent?: () => string | undefined;
  readonly clientId: number;
  readonly counters: CounterTable;
  /** The last step of close(): ends connections. */
  readonly leave: (timeoutMs: number) => Promise<void>;
}

/** A client of a Central store. */
export class CentralBackend implements Backend {
  readonly design = "central";
  readonly supports: Supports = { orderedKeys: true, serverless: false };
  readonly #parts: CentralBackendParts;
  readonly #session: ClientSession;
  readonly #runner: Runner;
  #isClosed = false;

  private constructor(parts: CentralBackendParts) {
    const { clock, prng, coordinator, counters } = parts;
    this.#parts = parts;
    this.#session = new ClientSession(clock, prng, parts.silent);
    const servers = new Map([[coordinatorServer, bounded(coordinator)]]);
    // No chunks and no memory nodes: nothing but calls.
    this.#runner = new Runner(new Router(clock, new ChunkMap(1), [], servers), clock, counters);
  }

  /** Greets the coordinator. @throws PDPM_BUSY when none answers within `timeoutMs` */
  static async open(parts: CentralBackendParts, timeoutMs: number): Promise<CentralBackend> {
    const backend = new CentralBackend(parts);
    await backend.#run("open", { timeoutMs }, greet);
    return backend;
  }

  get(key: Key, limits: Limits): Promise<Found | undefined> {
    const bytes = keyBytes(key);
    return this.#run("get", limits, function* (context) {
      const found = yield* askCoordinator(context, "get", { key: bytes });
      return found === null ? undefined : new Found(aligned(found.value), found.version);
    });
  }

  put(key: Key, value: Uint8Array, ifVersion: number | undefined, limits: Limits): Promise<number> {
    // A copy: the caller may leave, and use its buffer for something else, while this is on its
    // way.
    const write = {
      key: keyBytes(key),
      value: new Uint8Array(value),
      ifVersion: ifVersion ?? null,
    };
    return this.#run("put", limits, (context) => sendWrite(context, "put", write));
  }

  async delete(
    key: Key,
    ifVersion: number | undefined,
    limits: Limits,
  ): Promise<number | undefined> {
    const write = { key: keyBytes(key), ifVersion: ifVersion ?? null };
    const version = await this.#run("delete", limits, (context) =>
      sendWrite(context, "delete", write),
    );
    return version ?? undefined;
  }

  async *keys(limits: Limits): AsyncIterable<readonly Key[]> {
    let after: Uint8Array | null = null;
    do {
      const from: Uint8Array | null = after;
      const page: KeyPage = await this.#run("keys", limits, (context) =>
        askCoordinator(context, "keys", { after: from }),
      );
      const keys = keysOf(page);
      if (keys.length > 0) yield keys;
      after = page.next;
    } while (after !== null);
  }

  async stats(): Promise<BackendStats> {
    const { space } = await this.#run("stats", {}, (context) =>
      askCoordinator(context, "stats", {}),
    );
    return { design: this.design, clientId: this.#parts.clientId, ...this.counters(), space };
  }

  counters(): BackendCounters {
    const { repeated, greetings } = this.#session;
    return { operations: this.#runner.counters.snapshot(), events: { repeated, greetings } };
  }

  /** Waits until what is running has ended, at most `timeoutMs`, and says good-bye. */
  async close(timeoutMs: number): Promise<void> {
    this.#isClosed = true;
    const { clock, leave } = this.#parts;
    const endAt = clock.now() + timeoutMs;
    const left = (): number => Math.max(0, endAt - clock.now());
    try {
      await this.#runner.waits.until(this.#runner.idle(), { timeoutMs }, (why) => why);
      await this.#execute("close", { timeoutMs: left() }, sayGoodBye);
    } catch (error) {
      if (!(error instanceof PdpmError)) throw error;
    } finally {
      await leave(left());
    }
  }

  async #run<T>(
    kind: string,
    limits: Limits,
    protocol: (context: ClientContext) => Protocol<T>,
  ): Promise<T> {
    if (this.#isClosed) throw new PdpmError("PDPM_CLOSED", "the store was closed; open it again");
    return this.#execute(kind, limits, protocol);
  }

  async #execute<T>(
    kind: string,
    limits: Limits,
    protocol: (context: ClientContext) => Protocol<T>,
  ): Promise<T> {
    const operation = this.#runner.operation(kind);
    const context = contextOf(this.#session, operation, limits);
    return this.#runner.run(operation, protocol(context), limits);
  }
}

/** As a reply of memory would have it: 8-byte aligned, in a buffer that it does not pin. */
function aligned(value: Uint8Array): Uint8Array {
  return value.byteOffset % 8 === 0 && !Buffer.isBuffer(value) ? value : Uint8Array.from(value);
}
