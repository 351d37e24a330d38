// One simulated client of a Direct store: what its callers do (caller.ts), and its housekeeping.

import { bucketsPerPage, type Context, readKey, scanPage, settle, writeKey } from "@pdpm/direct";
import type { Found, Key, WriteBatch } from "@pdpm/kv";
import type { Protocol } from "@pdpm/verbs";
import { Caller } from "./caller.ts";
import { housekeeping, type Identity, join, reap } from "./direct-identity.ts";
import { homeAndFingerprint } from "./direct-keys.ts";
import type { World } from "./direct-world.ts";
import { WriteLanes } from "./write-lanes.ts";

/** One client, under one id after another. */
export class Client extends Caller<Context, Identity> {
  protected override readonly writes: WriteLanes;
  readonly #world: World;

  constructor(world: World, number: number) {
    super(world, number, world.newIdentity());
    this.#world = world;
    this.writes = new WriteLanes(world, this);
  }

  protected override newIdentity(): Identity {
    return this.#world.newIdentity();
  }

  protected override join(context: Context, identity: Identity): Protocol<void> {
    return join(context, identity);
  }

  protected override read(context: Context, key: Key): Protocol<Found | undefined> {
    return readKey(context, key);
  }

  /** Carries out a batch of its writes. */
  write(context: Context, key: Key, batch: WriteBatch): Protocol<void> {
    return writeKey(context, key, batch);
  }

  protected override scan(key: Key): void {
    const start = this.#world.interleaver.steps;
    const { home } = homeAndFingerprint(key);
    const first = home - (home % bucketsPerPage);
    this.wait(
      "keys",
      (context) => scanPage(context, first),
      (keys) => this.#world.scanned(first, keys, start),
      (error) => this.#world.excuse(error),
    );
  }

  protected override cameBack(old: Identity): void {
    this.reap(old.session.clientId);
  }

  /** One turn of housekeeping. */
  keepHouse(): void {
    const { identity } = this;
    if (this.isDead || identity.lease < 0 || identity.isKeepingHouse) return;
    identity.isKeepingHouse = true;
    this.keep("housekeeping", housekeeping(identity), () => {
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
      this.keep(
        "settle",
        (context) => settle(context, address, clientId),
        () => identity.settling.delete(address),
      );
      return;
    }
  }

  /** Takes back what client `id` held, if it is dead. */
  reap(id: number): void {
    const { reaping } = this.identity;
    if (this.isDead || reaping.has(id)) return;
    reaping.add(id);
    this.keep(
      "reap",
      (context) => reap(context, id),
      () => reaping.delete(id),
    );
  }
}
