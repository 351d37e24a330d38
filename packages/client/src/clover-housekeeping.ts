// What a Clover client does beside its operations. Work, when it is woken: report what was
// replaced, refill its buffers. The pulse, every half second: the chunk table, and what others ask
// for. The rounds: look for the dead and take back what they held. None waits for another. Failures
// wait for the next turn; they never reach the program, but stay countable.

import { type Clock, isPdpmError, type PdpmError } from "@pdpm/base";
import { ask, type CloverBackend, pulse, reapClient, work } from "@pdpm/clover";
import { LeaseKind } from "@pdpm/layout";
import type { ClientRecord } from "@pdpm/metadata-server/protocol";
import type { LeaseFacts, Membership } from "./membership.ts";
import { Repeating } from "./repeating.ts";

/** Between two beats of the pulse, in milliseconds. */
const pulseMs = 500;
/** Between two rounds, in milliseconds. */
const roundsMs = 5000;
/** Between two turns of work when nobody wakes it, in milliseconds. */
const workMs = 250;
/** A turn's protocols end by then; what is left waits for the next turn. */
const limits = { timeoutMs: 20_000 };

/** What housekeeping needs to know. */
export interface HousekeepingOptions {
  readonly membership: Membership;
  /** Begins every beat of the pulse: a client that was fenced comes back there. */
  readonly before: () => Promise<void>;
  /**
   * Whether this client looks for the dead: the metadata server does, and every process of an
   * embedded store.
   */
  readonly looks: boolean;
  /** When the metadata server heard last of a client without a lease file; a time of its clock. */
  readonly heardAt: (id: number) => number;
}

/** The housekeeping of one client. */
export class CloverHousekeeping {
  readonly #options: HousekeepingOptions;
  readonly #reaping = new Map<number, Promise<void>>();
  #backend: CloverBackend | undefined;
  #isStopped = false;
  readonly #work: Repeating;
  readonly #tasks: readonly Repeating[];
  /** Turns that failed, and why the last one did. */
  failures = 0;
  lastFailure: PdpmError | undefined;
  /** Dead clients whose things this client took back. */
  reaped = 0;

  constructor(clock: Clock, options: HousekeepingOptions) {
    this.#options = options;
    const task = (ms: number, turn: (backend: CloverBackend) => Promise<void>): Repeating =>
      new Repeating(clock, ms, () => this.#turn(turn));
    this.#work = task(workMs, async (backend) => backend.run("retire", work, limits));
    this.#tasks = [
      this.#work,
      task(pulseMs, (backend) => this.#pulse(backend)),
      task(roundsMs, (backend) => this.#look(backend)),
    ];
  }

  /** Begins. */
  begin(backend: CloverBackend): void {
    this.#backend = backend;
    this.hurry();
  }

  /** There is work. */
  wake(): void {
    this.#work.hurry();
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

  /** Takes back everything of a client that is dead or has given up its id. Never rejects. */
  async reap(id: number): Promise<void> {
    try {
      await this.#options.membership.fence(id);
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
      await this.#options.membership.judge(id, undefined);
    } catch (error) {
      this.#note(error);
    }
    await this.reap(id);
  }

  #startReaping(id: number): void {
    const backend = this.#backend;
    if (this.#isStopped || this.#reaping.has(id) || backend === undefined) return;
    const work = (async () => {
      await backend.run("reap", (context) => reapClient(context, id), limits);
      this.#options.membership.buried(id);
      this.reaped += 1;
    })()
      .catch((error: unknown) => this.#note(error))
      .finally(() => this.#reaping.delete(id));
    this.#reaping.set(id, work);
  }

  async #turn(turn: (backend: CloverBackend) => Promise<void>): Promise<void> {
    if (this.#backend === undefined) return;
    try {
      await turn(this.#backend);
    } catch (error) {
      this.#note(error);
    }
  }

  async #pulse(backend: CloverBackend): Promise<void> {
    await this.#options.before();
    await backend.run("housekeeping", pulse, limits);
  }

  /** Looks for the dead among all whom the service knows. */
  async #look(backend: CloverBackend): Promise<void> {
    if (!this.#options.looks) return;
    const question = { ask: "clients" } as const;
    const clients = await backend.run("housekeeping", (context) => ask(context, question), limits);
    const ids = new Set<number>(this.#options.membership.suspects());
    for (const { id } of clients) ids.add(id);
    ids.delete(backend.session.clientId);
    for (const id of ids) {
      if (this.#isStopped) return;
      const known = clients.find((client) => client.id === id);
      if (known?.state === "dead") {
        this.#startReaping(id);
        continue;
      }
      const lease = known === undefined ? undefined : this.#factsOf(known);
      const { alive } = await this.#options.membership.judge(id, lease);
      if (!alive) this.#startReaping(id);
    }
  }

  #factsOf({ id, kind, pid }: ClientRecord): LeaseFacts {
    if (kind === "file") return { kind: LeaseKind.file, heartbeat: 0, pid };
    return { kind: LeaseKind.heartbeat, heartbeat: this.#options.heardAt(id), pid };
  }

  #note(error: unknown): void {
    if (!isPdpmError(error)) throw error;
    this.failures += 1;
    this.lastFailure = error;
  }
}
