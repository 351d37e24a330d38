// One simulated client of a Central store: what its callers do (caller.ts), each operation a
// request to the coordinator; and the way there. A client stays with a coordinator until that one
// is dead or refuses it, so it may talk to one that was deposed long ago.

import { Found, type Key, keyBytes } from "@pdpm/kv";
import { type LaterReply, SimulatedClient } from "@pdpm/simulator";
import { ChunkMap, type Operation, type Protocol } from "@pdpm/verbs";
import { keysOf } from "../../packages/central/src/key-scan.ts";
import {
  askCoordinator,
  type ClientContext,
  ClientSession,
  contextOf,
  greet,
  sendWrite,
} from "../../packages/central/src/requests.ts";
import { Caller, type Writes } from "./caller.ts";
import { lost, type Seat } from "./central-seat.ts";
import type { World } from "./central-world.ts";
import { FaultyWay } from "./faulty-way.ts";
import { NewWrites } from "./new-writes.ts";

/** Micro-steps of a millisecond of its clock. */
const stepsPerMs = 40;

/** What a client is. It is no client of the memory nodes, so nobody fences it. */
export class Identity {
  readonly simulated: SimulatedClient;
  readonly session: ClientSession;
  readonly #world: World;
  readonly #way: FaultyWay;
  #seat: Seat | undefined;

  constructor(world: World, id: number) {
    this.#world = world;
    const { interleaver, plan, prng, faultCounts } = world;
    this.simulated = new SimulatedClient(id, new ChunkMap(1));
    const now = (): number => interleaver.steps / stepsPerMs;
    const after = (): never => {
      throw new Error("a client's protocols set no timers");
    };
    this.session = new ClientSession({ now, after }, prng.fork(`session ${id}`));
    const chances = prng.fork(`way ${id}`);
    this.#way = new FaultyWay(interleaver, plan.requests, chances, faultCounts, lost);
  }

  context(operation: Operation): ClientContext {
    const { plan, prng } = this.#world;
    const { timeoutsMs } = plan;
    const timeoutMs = timeoutsMs[prng.below(timeoutsMs.length)];
    return contextOf(this.session, operation, timeoutMs === undefined ? {} : { timeoutMs });
  }

  /** It asks the coordinator that it knows. */
  ask(request: unknown): LaterReply {
    if (this.#seat?.isServing !== true) this.#seat = this.#world.someSeat();
    const seat = this.#seat;
    return this.#way.send((later, steps) => {
      if (seat === undefined) this.#way.tell(later, "not-applied");
      else seat.serve(request, later, steps);
    });
  }
}

/** One client. */
export class Client extends Caller<ClientContext, Identity> {
  protected override readonly writes: Writes;
  readonly #world: World;

  constructor(world: World, number: number) {
    super(world, number, world.newIdentity());
    this.#world = world;
    const fresh = new NewWrites(world, this);
    this.writes = {
      submit: (key, isPut, guess) => this.#send(fresh, key, isPut, guess),
      clear: () => {},
    };
  }

  protected override newIdentity(): Identity {
    return this.#world.newIdentity();
  }

  protected override *join(context: ClientContext): Protocol<void> {
    yield* greet(context);
  }

  protected override *read(context: ClientContext, key: Key): Protocol<Found | undefined> {
    const found = yield* askCoordinator(context, "get", { key: keyBytes(key) });
    return found === null ? undefined : new Found(found.value, found.version);
  }

  protected override scan(): void {
    const { history, interleaver } = this.#world;
    const start = interleaver.steps;
    this.wait(
      "keys",
      (context) => askCoordinator(context, "keys", { after: null }),
      (page) => history.scanned(() => true, keysOf(page), start, interleaver.steps),
      (error) => this.#world.excuse(error),
    );
  }

  protected override cameBack(): void {}

  /** It asks how full the store is, so that the coordinator cleans up and gives back. */
  measure(): void {
    if (this.isDone) return;
    this.keep(
      "stats",
      (context) => askCoordinator(context, "stats", {}),
      () => {},
    );
  }

  #send(fresh: NewWrites, key: Key, isPut: boolean, guess: (() => number) | undefined): void {
    const { entry, value, ifVersion } = fresh.begin(key, isPut, guess);
    const body = { key: keyBytes(key), ifVersion: ifVersion ?? null };
    const write = function* (context: ClientContext): Protocol<number | null> {
      // The runner would have begun at once; here the caller may have left before.
      const told = context.operation.takeTold();
      if (told !== undefined) throw told;
      if (value === undefined) return yield* sendWrite(context, "delete", body);
      return yield* sendWrite(context, "put", { ...body, value });
    };
    this.wait(
      `${isPut ? "put" : "delete"} ${key}`,
      write,
      (version) => this.written(entry, version ?? undefined),
      (error) => this.refused(entry, error),
      (reason) => this.notApplied(entry, reason),
    );
  }
}
