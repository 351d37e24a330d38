// One client of a simulated store as its callers see it: production sessions and protocols, and
// what stands above them in production (runner, limits, coming back after a fence) without a single
// promise. What a design adds to it, its housekeeping, stands in the design's own client.

import { assert, isPdpmError, PdpmError, type Prng } from "@pdpm/base";
import type { Found, Key } from "@pdpm/kv";
import type { Ended, Interleaver, SimulatedClient } from "@pdpm/simulator";
import { type Operation, type Protocol, reasonFor } from "@pdpm/verbs";
import type { FaultCounts } from "./fault-counts.ts";
import { type Entry, type History, identityOf } from "./history.ts";

/** Of all operations the share of each kind; the rest are deletes. */
export interface Mix {
  readonly get: number;
  readonly scan: number;
  readonly put: number;
}

/** What every world has. */
export interface CallerWorld {
  readonly plan: {
    readonly operations: number;
    readonly inFlight: number;
    readonly keys: readonly Key[];
    readonly valueSizes: readonly number[];
    readonly mix: Mix;
  };
  readonly prng: Prng;
  readonly history: History;
  readonly interleaver: Interleaver;
  readonly faultCounts: FaultCounts;
  /** Whether an operation may end so in this world. @throws the error if not. */
  excuse(error: PdpmError): void;
}

/** What a client is under one id: a fenced one goes on as another. */
export interface CallerIdentity<C> {
  readonly simulated: SimulatedClient;
  context(operation: Operation): C;
}

/** Something a caller waits for, until it ends or the caller leaves. */
export interface Waiting {
  leave(why: PdpmError): void;
}

/** How the writes of a client are begun. */
export interface Writes {
  /** A put or a delete begins; `guess` says on which version it depends, if it does. */
  submit(key: Key, isPut: boolean, guess: (() => number) | undefined): void;
  /** Their client died: what waited was never begun. */
  clear(): void;
}

/** One client, under one id after another. */
export abstract class Caller<C, I extends CallerIdentity<C>> {
  readonly number: number;
  readonly prng: Prng;
  identity: I;
  readonly #world: CallerWorld;
  readonly #waiting = new Set<Waiting>();
  readonly #seenVersions = new Map<Key, number>();
  /** Who it was before it was fenced; operations of then may still be ending. */
  readonly #former: I[] = [];
  #left: number;
  #isRenewing = false;

  constructor(world: CallerWorld, number: number, identity: I) {
    this.#world = world;
    this.number = number;
    this.prng = world.prng.fork(`client ${number}`);
    this.#left = world.plan.operations;
    this.identity = identity;
  }

  protected abstract readonly writes: Writes;
  protected abstract newIdentity(): I;
  /** Enters the store. */
  protected abstract join(context: C, identity: I): Protocol<void>;
  protected abstract read(context: C, key: Key): Protocol<Found | undefined>;
  /** Starts one page of an iteration over keys. */
  protected abstract scan(key: Key): void;
  /** It has come back: what it held as `old` is to be taken back. */
  protected abstract cameBack(old: I): void;

  get isDead(): boolean {
    return this.identity.simulated.isKilled;
  }

  /** Whether there is nothing that it still wants, or can, do. */
  get isDone(): boolean {
    return this.isDead || (this.#left === 0 && this.#waiting.size === 0 && !this.#isRenewing);
  }

  /** Starts operations until as many are under way as the plan says. */
  go(): void {
    while (this.#left > 0 && this.#waiting.size < this.#world.plan.inFlight && !this.isDead) {
      if (this.#isRenewing) return;
      this.#left -= 1;
      this.#start();
    }
  }

  /** It stops where it is, under every id that it ever had. */
  die(): void {
    for (const { simulated } of [...this.#former, this.identity]) {
      this.#world.interleaver.kill(simulated);
    }
  }

  /** After its death: it goes on with what it had not begun, as somebody new. */
  revive(): void {
    assert(this.isDead, "only the dead come back to life");
    this.#waiting.clear();
    this.writes.clear();
    this.#isRenewing = true;
    this.#enter(undefined);
  }

  /** One of the callers leaves early. */
  leaveOne(): void {
    const callers = [...this.#waiting];
    if (callers.length === 0 || this.isDead) return;
    const why = new PdpmError("PDPM_TIMEOUT", "the deadline passed");
    callers[this.prng.below(callers.length)]?.leave(why);
    this.#world.faultCounts.add("caller leaves early");
    this.go();
  }

  #start(): void {
    const { plan } = this.#world;
    const key = plan.keys[this.prng.below(plan.keys.length)] as Key;
    const dice = this.prng.float();
    const { get, scan, put } = plan.mix;
    if (dice < get) this.#get(key);
    else if (dice < get + scan) this.scan(key);
    else if (dice < get + scan + put) this.#write(key, true, this.prng.chance(0.25));
    else this.#write(key, false, this.prng.chance(0.25));
  }

  #get(key: Key): void {
    const { steps } = this.#world.interleaver;
    const entry = this.#world.history.begin(this.number, "get", key, steps);
    this.wait(
      "get",
      (context) => this.read(context, key),
      (found) => this.#found(entry, found),
      (error) => this.refused(entry, error),
    );
  }

  #found(entry: Entry, found: Found | undefined): void {
    entry.value = found === undefined ? null : identityOf(found.value);
    entry.version = found?.version ?? null;
    if (found !== undefined) this.#seenVersions.set(entry.key, found.version);
    this.#end(entry, "ok");
  }

  /** An operation with one caller; `left` hears what a caller is told that leaves early. */
  protected wait<T>(
    kind: string,
    protocol: (context: C) => Protocol<T>,
    ok: (value: T) => void,
    failed: (error: PdpmError) => void,
    left: (reason: PdpmError) => void = () => {},
  ): void {
    const waiting: Waiting = {
      leave: (why) => {
        this.#waiting.delete(waiting);
        const reason = reasonFor(operation, why);
        operation.tell(reason);
        left(reason);
      },
    };
    this.#waiting.add(waiting);
    const operation = this.spawn(kind, protocol, (ended) => {
      if (!this.#waiting.delete(waiting)) return; // Its caller has left.
      if ("value" in ended) ok(ended.value);
      else failed(ended.error as PdpmError);
      this.go();
    });
  }

  #write(key: Key, isPut: boolean, isConditional: boolean): void {
    const guess = (): number => {
      const seen = this.#seenVersions.get(key) ?? 0;
      return this.prng.chance(0.3) ? 0 : seen + (this.prng.chance(0.2) ? 1 : 0);
    };
    this.writes.submit(key, isPut, isConditional ? guess : undefined);
  }

  /** A write that somebody waits for begins. */
  waits(waiting: Waiting): void {
    this.#waiting.add(waiting);
  }

  /** Nobody waits for it any more. */
  waitsNoMore(waiting: Waiting): void {
    this.#waiting.delete(waiting);
  }

  /** A write was acknowledged. */
  written(entry: Entry, version: number | undefined): void {
    if (version !== undefined) this.#seenVersions.set(entry.key, version);
    entry.version = version ?? null;
    this.#end(entry, "ok");
  }

  /** An operation failed, or its condition did not hold. */
  refused(entry: Entry, error: PdpmError): void {
    if (error.code === "PDPM_CONFLICT") {
      const found = /its version is (\d+)/.exec(error.message);
      entry.version = found === null ? 0 : Number(found[1]);
      this.#seenVersions.set(entry.key, entry.version);
      this.#end(entry, "conflict");
      return;
    }
    this.#world.excuse(error);
    if (error.code === "PDPM_FENCED") this.renew();
    this.notApplied(entry, error);
  }

  /** What failed without effect has ended; else its outcome stays unknown. */
  protected notApplied(entry: Entry, { outcome }: PdpmError): void {
    if (outcome === "not-applied") this.#end(entry, "not-applied");
  }

  #end(entry: Entry, outcome: Entry["outcome"]): void {
    entry.outcome = outcome;
    entry.end = this.#world.interleaver.steps;
  }

  /** If it was fenced it comes back under a new id, with nothing in hand. */
  protected renew(): void {
    if (this.#isRenewing || !this.identity.simulated.isFenced || this.isDead) return;
    this.#isRenewing = true;
    this.#enter(this.identity);
  }

  /** Opens the store as somebody new, again and again; then takes back what it held as `old`. */
  #enter(old: I | undefined): void {
    this.#former.push(this.identity);
    this.identity = this.newIdentity();
    const { simulated } = this.identity;
    this.spawn(
      "open",
      (context) => this.join(context, this.identity),
      (ended) => {
        if ("error" in ended) {
          this.#world.excuse(ended.error as PdpmError);
          // The id is given up; a lease record that it may have taken is a dead client's.
          this.#world.interleaver.kill(simulated);
          this.#enter(old);
          return;
        }
        this.#isRenewing = false;
        if (old !== undefined) this.cameBack(old);
        this.go();
      },
    );
  }

  /** Housekeeping, which nobody waits for: its failures must be such as may happen here. */
  protected keep<T>(kind: string, protocol: (context: C) => Protocol<T>, end: () => void): void {
    this.spawn(kind, protocol, (ended) => {
      if ("error" in ended) this.#world.excuse(ended.error as PdpmError);
      end();
    });
  }

  protected spawn<T>(
    kind: string,
    protocol: (context: C) => Protocol<T>,
    end: (ended: Ended<T>) => void,
  ): Operation {
    const { identity } = this;
    const operation = identity.simulated.operation(kind);
    const body = protocol(identity.context(operation));
    this.#world.interleaver.spawn(identity.simulated, operation, kind, body, (ended) => {
      const isOurs = "value" in ended || isPdpmError(ended.error);
      assert(isOurs, "only errors of ours end a protocol");
      end(ended);
    });
    return operation;
  }
}
