// What a client does beside its operations. The pulse, every half second: show that it lives, learn
// of changes of the chunk table and acknowledge them. The rounds: settle doubts, look for the dead
// and take back what they held. The two do not wait for each other: a node that does not answer
// keeps no pulse up. Failures wait for the next turn; they never reach the program, but stay
// countable.

import { type Clock, isPdpmError, type PdpmError } from "@pdpm/base";
import {
  acknowledge,
  type DirectBackend,
  findLease,
  heartbeat,
  type Judgement,
  type JudgeRequest,
  markDead,
  type PlacedLease,
  readLeases,
  reapClient,
  takeBackHolds,
} from "@pdpm/direct";
import type { Address } from "@pdpm/layout";
import type { Membership } from "./membership.ts";
import { Repeating } from "./repeating.ts";

/** Between two beats of the pulse, in milliseconds; a fraction of the lease time. */
const pulseMs = 500;
/**
 * The same for a while after the chunk table changed, and how long that is: chunks are cut anew one
 * after another, and each time every client is waited for that has not acknowledged yet.
 */
const alertPulseMs = 20;
const alertMs = 1000;
/** Between two rounds, in milliseconds. */
const roundsMs = 5000;
/** Between two tries to settle a doubt, in milliseconds. */
const doubtsMs = 500;
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
  #acknowledged = 0;
  /** The table changed lately: the next change may be waiting for this client. */
  #alertUntil = 0;
  #seenGeneration = -1;
  #isStopped = false;
  readonly #judging = new Map<number, Promise<Judgement>>();
  readonly #tasks: readonly Repeating[];
  /** Turns that failed, and why the last one did. */
  failures = 0;
  lastFailure: PdpmError | undefined;
  /** Dead clients whose things this client took back. */
  reaped = 0;

  /** `before` begins every beat of the pulse: a client that was fenced comes back there. */
  constructor(clock: Clock, membership: Membership, before: () => Promise<void>) {
    this.#before = before;
    this.#clock = clock;
    this.#membership = membership;
    const task = (
      ms: number | (() => number),
      work: (backend: DirectBackend) => Promise<void>,
    ): Repeating => new Repeating(clock, ms, () => this.#turn(work));
    const isAlert = (): boolean => this.#clock.now() < this.#alertUntil;
    this.#tasks = [
      task(
        () => (isAlert() ? alertPulseMs : pulseMs),
        (backend) => this.#pulse(backend),
      ),
      task(roundsMs, (backend) => this.#look(backend)),
      task(doubtsMs, (backend) => backend.settleDoubts(limits)),
    ];
  }

  /** Begins, or goes on under a new id: `lease` is this client's record. */
  begin(backend: DirectBackend, lease: Address): void {
    this.#backend = backend;
    this.#lease = lease;
    this.#acknowledged = backend.session.table.generation;
    this.#seenGeneration = this.#acknowledged;
    this.hurry();
  }

  /** Takes the next turns now. */
  hurry(): void {
    for (const task of this.#tasks) task.hurry();
  }

  /** Ends after the turns that are running. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#tasks.map((task) => task.stop()));
    await Promise.allSettled(this.#reaping.values());
  }

  /** The membership service that protocols ask. */
  judge({ judge: id }: JudgeRequest): Promise<Judgement> {
    const known = this.#seenAlive.get(id);
    if (known !== undefined && known.until > this.#clock.now()) {
      return Promise.resolve(known.judgement);
    }
    // Many operations may meet one client's locks at once: they share one judgement.
    let judging = this.#judging.get(id);
    if (judging === undefined) {
      judging = this.#judge(id).finally(() => this.#judging.delete(id));
      this.#judging.set(id, judging);
    }
    return judging;
  }

  async #judge(id: number): Promise<Judgement> {
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

  /** Judges client `id`, which must be dead, and takes back what it held. Never rejects. */
  async takeBack(id: number): Promise<void> {
    try {
      // Judging takes the grave, so that whoever is done with it buries.
      await this.judge({ judge: id });
    } catch (error) {
      this.#note(error);
    }
    await this.reap(id);
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

  async #turn(work: (backend: DirectBackend) => Promise<void>): Promise<void> {
    if (this.#backend === undefined) return;
    try {
      await work(this.#backend);
    } catch (error) {
      this.#note(error);
    }
  }

  /** Heartbeat, and the chunk table. */
  async #pulse(backend: DirectBackend): Promise<void> {
    await this.#before();
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
    if (session.table.generation !== this.#seenGeneration) {
      this.#seenGeneration = session.table.generation;
      this.#alertUntil = this.#clock.now() + alertMs;
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
