// One simulated client of a Clover store: what its callers do (caller.ts), and its housekeeping, as
// packages/client/src/clover-housekeeping.ts.

import {
  type Context,
  collectAll,
  handBack,
  pulse,
  readKey,
  reapClient,
  scanPage,
  work,
  writeKey,
} from "@pdpm/clover";
import type { Found, Key, WriteBatch } from "@pdpm/kv";
import type { Protocol } from "@pdpm/verbs";
import { Caller } from "./caller.ts";
import { type Chore, type Identity, join } from "./clover-identity.ts";
import type { World } from "./clover-world.ts";
import { WriteLanes } from "./write-lanes.ts";

const chores: Readonly<Record<Chore, (context: Context) => Protocol<unknown>>> = {
  pulse,
  work,
  collect: collectAll,
  "hand back": (context) => handBack(context, () => true),
};

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

  override join(context: Context, identity: Identity): Protocol<void> {
    return join(context, identity);
  }

  protected override read(context: Context, key: Key): Protocol<Found | undefined> {
    return readKey(context, key);
  }

  /** Carries out a batch of its writes. */
  write(context: Context, key: Key, batch: WriteBatch): Protocol<void> {
    return writeKey(context, key, batch);
  }

  protected override scan(): void {
    const { history, interleaver } = this.#world;
    const start = interleaver.steps;
    this.wait(
      "keys",
      (context) => scanPage(context, null),
      ({ keys }) => history.scanned(() => true, keys, start, interleaver.steps),
      (error) => this.#world.excuse(error),
    );
  }

  protected override cameBack(old: Identity): void {
    this.reap(old.session.clientId);
  }

  /** One turn of some housekeeping, unless one is under way. */
  keepHouse(chore: Chore): void {
    const { identity } = this;
    if (this.isDead || !identity.hasEntered || identity.busy.has(chore)) return;
    identity.busy.add(chore);
    // A client notices at its pulse that it was given up, also when it wants nothing.
    if (chore === "pulse") this.renew();
    this.keep(chore, chores[chore], () => identity.busy.delete(chore));
  }

  /** Takes back what client `id` held; it is dead, and fenced. */
  reap(id: number): void {
    const { identity } = this;
    if (this.isDead || !identity.hasEntered || identity.reaping.has(id)) return;
    identity.reaping.add(id);
    const world = this.#world;
    const body = function* (context: Context): Protocol<void> {
      yield* reapClient(context, id);
      world.buried(id);
    };
    this.keep("reap", body, () => identity.reaping.delete(id));
  }
}
