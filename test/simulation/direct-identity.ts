// What a simulated client is under one id, and the protocols by which it enters and takes back.

import {
  acknowledge,
  type Context,
  enterTable,
  findLease,
  heartbeat,
  judge,
  markDead,
  reapClient,
  Session,
  takeBackHolds,
  takeLease,
} from "@pdpm/direct";
import type { Address } from "@pdpm/layout";
import { SimulatedClient } from "@pdpm/simulator";
import { ChunkMap, type Operation, type Protocol } from "@pdpm/verbs";
import { chunkBytes } from "./direct-keys.ts";
import type { World } from "./direct-world.ts";

/** What a client is under one id: a fenced one goes on as another. */
export class Identity {
  readonly simulated: SimulatedClient;
  readonly session: Session;
  lease: Address = -1;
  acknowledged = -1;
  beat = 0;
  isKeepingHouse = false;
  /** It closed the store and gave everything back. */
  hasLeft = false;
  readonly reaping = new Set<number>();
  readonly settling = new Set<Address>();

  constructor(world: World, id: number) {
    const { plan } = world;
    const chunks = new ChunkMap(chunkBytes);
    this.simulated = new SimulatedClient(id, chunks);
    this.session = new Session({
      clientId: id,
      chunks,
      nodeCount: world.memories.length,
      chunksMost: plan.chunksMost,
      durability: plan.durability,
      cursorsMost: plan.cursorsMost,
      prng: world.prng.fork(`session ${id}`),
      running: () => this.simulated.running(),
    });
  }

  context(operation: Operation): Context {
    operation.epoch = this.session.table.generation;
    return { session: this.session, operation };
  }
}

/** Enters the store, in the order of packages/client/src/direct-client.ts. */
export function* join(context: Context, identity: Identity): Protocol<void> {
  const { session } = context;
  yield* enterTable(session);
  identity.lease = yield* takeLease(session, 1, 2);
  identity.acknowledged = session.table.generation;
}

/** Takes back what the client `id` held, if it is dead: as packages/client/src/housekeeping.ts. */
export function* reap(context: Context, id: number): Protocol<boolean> {
  const { alive } = yield* judge(context, id);
  if (alive) return false;
  const lease = yield* findLease(context.session, id);
  if (lease === undefined) {
    yield* takeBackHolds(context, id);
    return true;
  }
  yield* markDead(context.session, lease);
  yield* reapClient(context, lease);
  return true;
}

/** One turn: as packages/client/src/housekeeping.ts. */
export function housekeeping(identity: Identity): (context: Context) => Protocol<void> {
  return function* turn(context) {
    const { session, operation } = context;
    identity.beat += 1;
    const generation = yield* heartbeat(session, identity.lease, identity.beat);
    if (generation !== session.table.generation) yield* session.table.load();
    const oldest = session.oldestEpoch(operation);
    if (oldest <= identity.acknowledged) return;
    yield* acknowledge(identity.lease, oldest);
    identity.acknowledged = oldest;
  };
}
