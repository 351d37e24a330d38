// pDPM-Direct behind the backend contract: one client of one store. Each method starts the protocol
// of the file that bears its name; nothing here does I/O or knows how memory is reached.

import { type Clock, PdpmError } from "@pdpm/base";
import {
  type Backend,
  type BackendCounters,
  type BackendStats,
  type Found,
  type Key,
  type Supports,
  WriteQueue,
} from "@pdpm/kv";
import type { Limits, Operation, Protocol, Runner } from "@pdpm/verbs";
import { countSpace } from "./audit.ts";
import { bucketsPerPage, scanPage } from "./key-scan.ts";
import { readKey } from "./read-path.ts";
import { settle } from "./reap.ts";
import { Context, type Session } from "./session.ts";
import { writeKey } from "./write-path.ts";

/** A client of a Direct store. */
export class DirectBackend implements Backend {
  readonly design = "direct";
  readonly supports: Supports = { orderedKeys: false, serverless: true };
  readonly #runner: Runner;
  readonly #clock: Clock;
  readonly #writes: WriteQueue;
  readonly #leave: (timeoutMs: number) => Promise<void>;
  #session: Session;
  #isClosed = false;

  /** `leave` is the last step of close(): gives back the lease and ends connections. */
  constructor(
    session: Session,
    runner: Runner,
    clock: Clock,
    leave: (timeoutMs: number) => Promise<void> = async () => {},
  ) {
    this.#leave = leave;
    this.#session = session;
    this.#runner = runner;
    this.#clock = clock;
    this.#writes = new WriteQueue(runner, (key, batch) =>
      writeKey(this.#context(batch.operation), key, batch),
    );
  }

  /** The session that operations start under now. */
  get session(): Session {
    return this.#session;
  }

  /** This client was fenced and came back: operations start under a new id from now on. */
  renew(session: Session): void {
    this.#session = session;
  }

  get(key: Key, limits: Limits): Found | undefined | Promise<Found | undefined> {
    const operation = this.#runner.operation("get");
    const context = this.#context(operation);
    return this.#runner.run(operation, readKey(context, key), limits);
  }

  put(
    key: Key,
    value: Uint8Array,
    ifVersion: number | undefined,
    limits: Limits,
  ): number | Promise<number> {
    this.#checkOpen();
    return this.#writes.submit(key, value, ifVersion, limits) as number | Promise<number>;
  }

  delete(
    key: Key,
    ifVersion: number | undefined,
    limits: Limits,
  ): number | undefined | Promise<number | undefined> {
    this.#checkOpen();
    return this.#writes.submit(key, undefined, ifVersion, limits);
  }

  async *keys(limits: Limits): AsyncIterable<readonly Key[]> {
    const { homeBuckets } = this.#session.geometry;
    for (let first = 0; first < homeBuckets; first += bucketsPerPage) {
      const page = await this.run("keys", (context) => scanPage(context, first), limits);
      if (page.length > 0) yield page;
    }
  }

  async stats(): Promise<BackendStats> {
    const space = await this.run("stats", countSpace, {});
    return { design: this.design, clientId: this.#session.clientId, ...this.counters(), space };
  }

  counters(): BackendCounters {
    const { events, doubts } = this.#session;
    return {
      operations: this.#runner.counters.snapshot(),
      events: { ...events, doubtsOpen: doubts.size },
    };
  }

  /**
   * Runs a protocol of this package under the present session: for housekeeping, fsck and tests.
   */
  run<T>(
    kind: string,
    protocol: (context: Context) => Protocol<T>,
    limits: Limits,
  ): T | Promise<T> {
    const operation = this.#runner.operation(kind);
    return this.#runner.run(operation, protocol(this.#context(operation)), limits);
  }

  /**
   * Waits until what is running has ended and settles what is in doubt, at most `timeoutMs`; the
   * rest is left to the others, as for a dead client. Then lets go of the lease and of every
   * connection.
   */
  async close(timeoutMs: number): Promise<void> {
    this.#isClosed = true;
    const startMs = this.#clock.now();
    const idle = this.#runner.idle();
    await this.#runner.waits.until(idle, { timeoutMs }, (why) => why).catch(ignoreTimeout);
    const leftMs = Math.max(0, timeoutMs - (this.#clock.now() - startMs));
    try {
      await this.settleDoubts({ timeoutMs: leftMs }).catch(ignoreTimeout);
    } finally {
      await this.#leave(Math.max(0, timeoutMs - (this.#clock.now() - startMs)));
    }
  }

  /** Finishes or undoes whatever lost replies of this session left behind. */
  async settleDoubts(limits: Limits): Promise<void> {
    const { clientId, doubts } = this.#session;
    for (const address of [...doubts]) {
      await this.run("settle", (context) => settle(context, address, clientId), limits);
    }
  }

  #context(operation: Operation): Context {
    operation.epoch = this.#session.table.generation;
    return new Context(this.#session, operation);
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new PdpmError("PDPM_CLOSED", "the store was closed; open it again");
  }
}

/**
 * What close() could not settle in its time is settled by the others; anything else is a defect.
 */
function ignoreTimeout(error: unknown): void {
  if (!(error instanceof PdpmError)) throw error;
}
