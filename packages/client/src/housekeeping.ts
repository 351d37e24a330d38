// What a client does beside its operations, every half second: shows that it lives, learns of changes
// of the chunk table and acknowledges them, settles its doubts, takes back what dead clients held.
// Its failures wait for the next turn; they never reach the program, but stay countable.

import { type Clock, isPdpmError, type PdpmError } from "@pdpm/base";
import {
  acknowledge,
  type DirectBackend,
  findLease,
  heartbeat,
  type JudgeRequest,
  type Judgement,
  markDead,
  type PlacedLease,
  readLeases,
  reapClient,
  takeBackHolds,
} from "@pdpm/direct";
import type { Address } from "@pdpm/layout";
import type { Membership } from "./membership.ts";

/** Between two turns, in milliseconds. */
export const turnMs = 500;
/** Turns between two looks at all lease records. */
const turnsPerLook = 10;
/** An answer "alive" is believed this long, in milliseconds. */
const believedMs = 20;
/** A turn's protocols end by then; what is left waits for the next turn. */
const limits = { timeoutMs: 20_000 };

/** The housekeeping of one client. */
export class Housekeeping {
  readonly #clock: Clock;
  readonly #membership: Membership;
  readonly #before: () => Promise<void>;
  readonly #seenAlive = new Map<number, { judgement: Judgement; until: number }>();
  readonly #reaping = new Map<number, Promise<void>>();
  #backend: DirectBackend | undefined;
  #lease: Address = 0;
  #beat = 0;
  #turn = 0;
  #acknowledged = 0;
  #cancel: (() => void) | undefined;
  #running: Promise<void> = Promise.resolve();
  #isStopped = false;
  #isTaking = false;
  /** Turns that failed, and why the last one did. */
  failures = 0;
  lastFailure: PdpmError | undefined;
  /** Dead clients whose things this client took back. */
  reaped = 0;

  /** `before` begins every turn: a client that was fenced comes back there. */
  constructor(clock: Clock, membership: Membership, before: () => Promise<void>) {
    this.#before = before;
    this.#clock = clock;
    this.#membership = membership;
  }

  /** Begins, or goes on under a new id: `lease` is this client's record. */
  begin(backend: DirectBackend, lease: Address): void {
    this.#backend = backend;
    this.#lease = lease;
    this.#acknowledged = backend.session.table.generation;
    if (this.#cancel === undefined) this.#schedule(0);
  }

  /** Takes the next turn now. */
  hurry(): void {
    if (this.#isTaking) return;
    this.#cancel?.();
    this.#schedule(0);
  }

  /** Ends after the turn that is running. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancel?.();
    await this.#running;
    await Promise.allSettled(this.#reaping.values());
  }

  /** The membership service that protocols ask. */
  async judge({ judge: id }: JudgeRequest): Promise<Judgement> {
    const known = this.#seenAlive.get(id);
    if (known !== undefined && known.until > this.#clock.now()) return known.judgement;
    const backend = this.#backend;
    const isNeeded = this.#membership.needsLease && backend !== undefined;
    const lease = isNeeded
      ? await backend.run("judge", (context) => findLease(context.session, id), limits)
      : undefined;
    const judgement = await this.#membership.judge(id, lease);
    if (judgement.alive) {
      this.#seenAlive.set(id, { judgement, until: this.#clock.now() + believedMs });
      if (this.#seenAlive.size > 1000) this.#seenAlive.clear();
    } else {
      this.#startReaping(id);
    }
    return judgement;
  }

  /** Takes back everything of a client that is dead or has given up its id. Never rejects. */
  async reap(id: number): Promise<void> {
    try {
      await this.#membership.fence(id);
      this.#startReaping(id);
      await this.#reaping.get(id);
    } catch (error) {
      this.#note(error);
    }
  }

  #startReaping(id: number): void {
    if (this.#isStopped || this.#reaping.has(id) || this.#backend === undefined) return;
    const work = this.#reap(this.#backend, id)
      .catch((error: unknown) => this.#note(error))
      .finally(() => this.#reaping.delete(id));
    this.#reaping.set(id, work);
  }

  async #reap(backend: DirectBackend, id: number): Promise<void> {
    const find = (): Promise<PlacedLease | undefined> | PlacedLease | undefined =>
      backend.run("reap", (context) => findLease(context.session, id), limits);
    const lease = await find();
    if (lease === undefined) {
      // It died before it had a record, or everything was taken back already.
      await backend.run("reap", (context) => takeBackHolds(context, id), limits);
    } else {
      await backend.run("reap", (context) => markDead(context.session, lease), limits);
      await backend.run("reap", (context) => reapClient(context, lease), limits);
    }
    this.#membership.buried(id);
    this.reaped += 1;
  }

  #schedule(ms: number): void {
    if (this.#isStopped) return;
    this.#cancel = this.#clock.after(
      Math.max(1, ms),
      () => {
        this.#isTaking = true;
        this.#running = this.#take().then(() => {
          this.#isTaking = false;
          this.#schedule(turnMs);
        });
      },
      { holds: false },
    );
  }

  async #take(): Promise<void> {
    const backend = this.#backend;
    if (backend === undefined) return;
    try {
      await this.#before();
      await this.#follow(backend);
      if (this.#turn % turnsPerLook === 0) await this.#look(backend);
      await backend.settleDoubts(limits);
    } catch (error) {
      this.#note(error);
    }
    this.#turn += 1;
  }

  /** Heartbeat, and the chunk table. */
  async #follow(backend: DirectBackend): Promise<void> {
    this.#beat += 1;
    const lease = this.#lease;
    const { session } = backend;
    const generation = await backend.run(
      "housekeeping",
      () => heartbeat(session, lease, this.#beat),
      limits,
    );
    if (generation !== session.table.generation) {
      await backend.run("housekeeping", () => session.table.load(), limits);
    }
    const oldest = session.oldestEpoch();
    if (oldest <= this.#acknowledged) return;
    await backend.run("housekeeping", () => acknowledge(lease, oldest), limits);
    this.#acknowledged = oldest;
  }

  /** Looks for the dead among all who have a lease. */
  async #look(backend: DirectBackend): Promise<void> {
    const { session } = backend;
    const leases = await backend.run("housekeeping", () => readLeases(session), limits);
    const ids = new Set<number>(this.#membership.suspects());
    for (const { clientId } of leases) ids.add(clientId);
    ids.delete(session.clientId);
    for (const id of ids) {
      if (this.#isStopped) return;
      const lease = leases.find(({ clientId }) => clientId === id);
      const { alive } = await this.#membership.judge(id, lease);
      if (!alive) this.#startReaping(id);
    }
  }

  #note(error: unknown): void {
    if (!isPdpmError(error)) throw error;
    this.failures += 1;
    this.lastFailure = error;
  }
}
