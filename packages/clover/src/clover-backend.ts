// Clover behind the backend contract: one client of one store. Each method starts the protocol of
// the file that bears its name; nothing here does I/O or knows how memory is reached.

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
import { giveEverythingBack } from "./hand-back.ts";
import { type KeyPage, scanPage } from "./key-scan.ts";
import { readKey } from "./read-path.ts";
import type { Context, Session } from "./session.ts";
import { countSpace } from "./space.ts";
import { writeKey } from "./write-path.ts";

/** A client of a Clover store. */
export class CloverBackend implements Backend {
  readonly design = "clover";
  readonly supports: Supports = { orderedKeys: true, serverless: false };
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
    let after: Uint8Array | null = null;
    do {
      const from: Uint8Array | null = after;
      const page: KeyPage = await this.run("keys", (context) => scanPage(context, from), limits);
      if (page.keys.length > 0) yield page.keys;
      after = page.next;
    } while (after !== null);
  }

  async stats(): Promise<BackendStats> {
    const space = await this.run("stats", countSpace, {});
    return { design: this.design, clientId: this.#session.clientId, ...this.counters(), space };
  }

  counters(): BackendCounters {
    const { events, doubts, retiring } = this.#session;
    return {
      operations: this.#runner.counters.snapshot(),
      events: { ...events, doubtsOpen: doubts.size, retireLag: retiring.lag },
    };
  }

  /** Runs a protocol of this package under the present session: housekeeping, fsck, tests. */
  run<T>(
    kind: string,
    protocol: (context: Context) => Protocol<T>,
    limits: Limits,
  ): T | Promise<T> {
    const operation = this.#runner.operation(kind);
    return this.#runner.run(operation, protocol(this.#context(operation)), limits);
  }

  /**
   * Waits until what is running has ended, reports what was replaced, settles doubts and gives the
   * buffers back, at most `timeoutMs`; the rest is left to the others, as for a dead client.
   */
  async close(timeoutMs: number): Promise<void> {
    this.#isClosed = true;
    const endAt = this.#clock.now() + timeoutMs;
    const left = (): number => Math.max(0, endAt - this.#clock.now());
    const idle = this.#runner.idle();
    await this.#runner.waits.until(idle, { timeoutMs }, (why) => why).catch(ignoreOurs);
    try {
      await this.giveBack({ timeoutMs: left() }).catch(ignoreOurs);
    } finally {
      await this.#leave(left());
    }
  }

  /** Reports, settles, and gives every buffer back. */
  async giveBack(limits: Limits): Promise<void> {
    await this.run("close", giveEverythingBack, limits);
  }

  #context(operation: Operation): Context {
    operation.epoch = this.#session.table.generation;
    return { session: this.#session, operation };
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new PdpmError("PDPM_CLOSED", "the store was closed; open it again");
  }
}

/** What close() could not do in its time is done by the others; anything else is a defect. */
function ignoreOurs(error: unknown): void {
  if (!(error instanceof PdpmError)) throw error;
}
