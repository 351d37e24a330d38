// One simulated client of a Direct store: production sessions and protocols, and what stands above
// them in production (runner, write queue, housekeeping) without a single promise.

import { assert, isPdpmError, PdpmError, type Prng } from "@pdpm/base";
import { bucketsPerPage, type Context, readKey, scanPage, settle, writeKey } from "@pdpm/direct";
import { type Found, type Key, WriteBatch, WriteRequest } from "@pdpm/kv";
import { type Operation, type Protocol, reasonFor } from "@pdpm/verbs";
import type { Ended } from "@pdpm/verbs/interleaver";
import { type Entry, identityOf, valueBytesOf } from "./direct-history.ts";
import { housekeeping, type Identity, join, reap } from "./direct-identity.ts";
import { homeAndFingerprint } from "./direct-keys.ts";
import type { World } from "./direct-world.ts";

/** Something a caller waits for, until it ends or the caller leaves. */
interface Waiting {
  leave(why: PdpmError): void;
}

/** A write in the queue of its key. */
interface QueuedWrite extends Waiting {
  readonly request: WriteRequest;
  readonly entry: Entry;
  isOver: boolean;
}

/** Puts combined at most into one write; small, so that the bound is met. */
const batchMost = 3;

/** One client, under one id after another. */
export class Client {
  readonly number: number;
  readonly #world: World;
  readonly #prng: Prng;
  readonly #lanes = new Map<Key, QueuedWrite[]>();
  readonly #waiting = new Set<Waiting>();
  readonly #seenVersions = new Map<Key, number>();
  identity: Identity;
  /** Who it was before it was fenced; operations of then may still be ending. */
  readonly #former: Identity[] = [];
  #left: number;
  #sequence = 0;
  #isRenewing = false;

  constructor(world: World, number: number) {
    this.#world = world;
    this.number = number;
    this.#prng = world.prng.fork(`client ${number}`);
    this.#left = world.plan.operations;
    this.identity = world.newIdentity();
  }

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

  /** One of the callers leaves early. */
  leaveOne(): void {
    const callers = [...this.#waiting];
    if (callers.length === 0 || this.isDead) return;
    const why = new PdpmError("PDPM_TIMEOUT", "the deadline passed");
    callers[this.#prng.below(callers.length)]?.leave(why);
    this.go();
  }

  /** One turn of housekeeping. */
  keepHouse(): void {
    const { identity } = this;
    if (this.isDead || identity.lease < 0 || identity.isKeepingHouse) return;
    identity.isKeepingHouse = true;
    this.#spawn("housekeeping", housekeeping(identity), () => {
      identity.isKeepingHouse = false;
    });
  }

  /** Settles one address that this client is in doubt about. */
  settleOne(): void {
    const { identity } = this;
    if (this.isDead) return;
    const { doubts, clientId } = identity.session;
    for (const address of doubts) {
      if (identity.settling.has(address)) continue;
      identity.settling.add(address);
      this.#spawn(
        "settle",
        (context) => settle(context, address, clientId),
        () => {
          identity.settling.delete(address);
        },
      );
      return;
    }
  }

  /** Takes back what client `id` held, if it is dead. */
  reap(id: number): void {
    const { reaping } = this.identity;
    if (this.isDead || reaping.has(id)) return;
    reaping.add(id);
    this.#spawn(
      "reap",
      (context) => reap(context, id),
      () => reaping.delete(id),
    );
  }

  #start(): void {
    const { plan } = this.#world;
    const key = plan.keys[this.#prng.below(plan.keys.length)] as Key;
    const dice = this.#prng.float();
    if (dice < 0.32) this.#get(key);
    else if (dice < 0.36) this.#scan(key);
    else if (dice < 0.72) this.#write(key, true, this.#prng.chance(0.25));
    else this.#write(key, false, this.#prng.chance(0.25));
  }

  #get(key: Key): void {
    const { steps } = this.#world.interleaver;
    const entry = this.#world.history.begin(this.number, "get", key, steps);
    this.#await(
      "get",
      (context) => readKey(context, key),
      (found) => this.#settle(entry, "ok", found),
      (error) => this.#refused(entry, error),
    );
  }

  #scan(key: Key): void {
    const start = this.#world.interleaver.steps;
    const { home } = homeAndFingerprint(key);
    const first = home - (home % bucketsPerPage);
    this.#await(
      "keys",
      (context) => scanPage(context, first),
      (keys) => this.#world.scanned(first, keys, start),
      (error) => this.#world.excuse(error),
    );
  }

  /** An operation with one caller and no commit point. */
  #await<T>(
    kind: string,
    protocol: (context: Context) => Protocol<T>,
    ok: (value: T) => void,
    failed: (error: PdpmError) => void,
  ): void {
    const waiting: Waiting = {
      leave: (why) => {
        this.#waiting.delete(waiting);
        operation.tell(reasonFor(operation, why));
      },
    };
    this.#waiting.add(waiting);
    const operation = this.#spawn(kind, protocol, (ended) => {
      if (!this.#waiting.delete(waiting)) return; // Its caller has left.
      if ("value" in ended) ok(ended.value);
      else failed(ended.error as PdpmError);
      this.go();
    });
  }

  #write(key: Key, isPut: boolean, isConditional: boolean): void {
    const { history, interleaver, plan } = this.#world;
    let identity: string | null = null;
    let value: Uint8Array | undefined;
    if (isPut) {
      this.#sequence += 1;
      identity = `${this.number}:${this.#sequence}`;
      value = valueBytesOf(
        identity,
        plan.valueSizes[this.#prng.below(plan.valueSizes.length)] as number,
      );
    }
    const ifVersion = isConditional ? this.#guess(key) : undefined;
    const op = !isPut ? "delete" : isConditional ? "cas" : "put";
    const start = interleaver.steps;
    const entry = history.begin(this.number, op, key, start, ifVersion ?? null, identity);
    const write: QueuedWrite = {
      request: new WriteRequest(value, ifVersion),
      entry,
      isOver: false,
      leave: (why) => this.#leaveWrite(write, why),
    };
    this.#waiting.add(write);
    const lane = this.#lanes.get(key);
    if (lane !== undefined) lane.push(write);
    else {
      this.#lanes.set(key, [write]);
      this.#nextBatch(key);
    }
  }

  #guess(key: Key): number {
    const seen = this.#seenVersions.get(key) ?? 0;
    return this.#prng.chance(0.3) ? 0 : seen + (this.#prng.chance(0.2) ? 1 : 0);
  }

  /** As kv's write queue: puts that wait together go together, a delete goes alone. */
  #nextBatch(key: Key): void {
    const lane = this.#lanes.get(key) as QueuedWrite[];
    const next: QueuedWrite[] = [];
    while (lane.length > 0 && next.length < batchMost) {
      const write = lane[0] as QueuedWrite;
      const isDelete = write.request.value === undefined;
      if (isDelete && next.length > 0) break;
      lane.shift();
      if (!write.request.gone) next.push(write);
      if (isDelete && !write.request.gone) break;
    }
    if (next.length === 0) {
      this.#lanes.delete(key);
      return;
    }
    const kind = next[0]?.request.value === undefined ? "delete" : "put";
    const { identity } = this;
    const operation = identity.simulated.operation(kind);
    const batch = new WriteBatch(
      operation,
      next.map(({ request }) => request),
    );
    const protocol = writeKey(identity.context(operation), key, batch);
    this.#world.interleaver.spawn(
      identity.simulated,
      operation,
      `${kind} ${key}`,
      protocol,
      (ended) => {
        this.#endBatch(key, batch, next, ended);
      },
    );
  }

  #endBatch(key: Key, batch: WriteBatch, writes: QueuedWrite[], ended: Ended<void>): void {
    const staying = writes.filter(({ request }) => !request.gone);
    if ("value" in ended) {
      for (const write of staying) this.#answer(write, batch);
    } else {
      const error = ended.error as PdpmError;
      const wasTold = staying.length < writes.length;
      if (wasTold && batch.operation.outcome === "not-applied") {
        this.#lanes.get(key)?.unshift(...staying);
      } else {
        for (const write of staying) this.#over(write, () => this.#refused(write.entry, error));
      }
    }
    this.#nextBatch(key);
    this.go();
  }

  #answer(write: QueuedWrite, batch: WriteBatch): void {
    this.#over(write, () => {
      const { entry, request } = write;
      try {
        const version = batch.resultOf(request);
        if (version !== undefined) this.#seenVersions.set(entry.key, version);
        entry.version = version ?? null;
        this.#end(entry, "ok");
      } catch (error) {
        this.#refused(entry, error as PdpmError);
      }
    });
  }

  /** Calls `settle` unless the caller has left already. */
  #over(write: QueuedWrite, settle: () => void): void {
    if (write.isOver) return;
    write.isOver = true;
    this.#waiting.delete(write);
    settle();
  }

  #leaveWrite(write: QueuedWrite, why: PdpmError): void {
    const { request, entry } = write;
    const { batch } = request;
    this.#over(write, () => {
      const isUnknown = batch !== undefined && batch.operation.outcome === "unknown";
      if (isUnknown) return; // The entry stays as it is: unknown.
      request.gone = true;
      this.#end(entry, "not-applied");
      if (batch === undefined) return;
      if (batch.isDecided || batch.requests.every(({ gone }) => gone)) {
        batch.operation.tell(reasonFor(batch.operation, why));
      }
    });
  }

  #settle(entry: Entry, outcome: "ok", found: Found | undefined): void {
    entry.value = found === undefined ? null : identityOf(found.value);
    entry.version = found?.version ?? null;
    if (found !== undefined) this.#seenVersions.set(entry.key, found.version);
    this.#end(entry, outcome);
  }

  #refused(entry: Entry, error: PdpmError): void {
    if (error.code === "PDPM_CONFLICT") {
      const found = /its version is (\d+)/.exec(error.message);
      entry.version = found === null ? 0 : Number(found[1]);
      this.#seenVersions.set(entry.key, entry.version);
      this.#end(entry, "conflict");
      return;
    }
    this.#world.excuse(error);
    if (error.code === "PDPM_FENCED") this.#renew();
    if (error.outcome === "not-applied") this.#end(entry, "not-applied");
  }

  #end(entry: Entry, outcome: Entry["outcome"]): void {
    entry.outcome = outcome;
    entry.end = this.#world.interleaver.steps;
  }

  /** It was fenced: it comes back under a new id, with nothing in hand. */
  #renew(): void {
    if (this.#isRenewing || !this.identity.simulated.isFenced || this.isDead) return;
    this.#isRenewing = true;
    this.#enter(this.identity.session.clientId);
  }

  /** Opens the store as somebody new, again and again; then takes back what it held as `old`. */
  #enter(old: number): void {
    this.#former.push(this.identity);
    this.identity = this.#world.newIdentity();
    const { simulated } = this.identity;
    this.#spawn(
      "open",
      (context) => join(context, this.identity),
      (ended) => {
        if ("error" in ended) {
          this.#world.excuse(ended.error as PdpmError);
          // The id is given up; a lease record that it may have taken is a dead client's.
          this.#world.interleaver.kill(simulated);
          this.#enter(old);
          return;
        }
        this.#isRenewing = false;
        this.reap(old);
        this.go();
      },
    );
  }

  #spawn<T>(
    kind: string,
    protocol: (context: Context) => Protocol<T>,
    end: (ended: Ended<T>) => void,
  ): Operation {
    const { identity } = this;
    const operation = identity.simulated.operation(kind);
    const body = protocol(identity.context(operation));
    this.#world.interleaver.spawn(identity.simulated, operation, kind, body, (ended) => {
      if ("error" in ended) {
        assert(isPdpmError(ended.error), "only errors of ours end a protocol");
        if (kind === "housekeeping" || kind === "settle" || kind === "reap") {
          this.#world.excuse(ended.error);
        }
      }
      end(ended);
    });
    return operation;
  }
}
