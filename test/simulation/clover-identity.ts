// What a simulated client is under one id, and the protocol by which it enters the store.

import { type Context, change, Session } from "@pdpm/clover";
import { SimulatedClient } from "@pdpm/simulator";
import { ChunkMap, type Operation, type Protocol } from "@pdpm/verbs";
import type { World } from "./clover-world.ts";
import { chunkBytes } from "./plan-parts.ts";

/** Housekeeping that never runs twice at a time. */
export type Chore = "pulse" | "work" | "collect" | "hand back";

/** What a client is under one id: a fenced one goes on as another. */
export class Identity {
  readonly simulated: SimulatedClient;
  readonly session: Session;
  /** The service knows it. */
  hasEntered = false;
  /** What it held was taken back. */
  isBuried = false;
  /** It closed the store and gave everything back. */
  hasLeft = false;
  readonly busy = new Set<Chore>();
  readonly reaping = new Set<number>();
  /** Somebody asked for its housekeeping. */
  isWoken = false;

  constructor(world: World, id: number) {
    const { plan } = world;
    const chunks = new ChunkMap(chunkBytes);
    this.simulated = new SimulatedClient(id, chunks);
    this.session = new Session({
      clientId: id,
      chunks,
      chunksMost: plan.chunksMost,
      durability: plan.durability,
      cursorsMost: plan.cursorsMost,
      prng: world.prng.fork(`session ${id}`),
      running: () => this.simulated.running(),
      wake: () => {
        this.isWoken = true;
      },
    });
  }

  context(operation: Operation): Context {
    operation.epoch = this.session.table.generation;
    return { session: this.session, operation };
  }
}

/** Enters the store, in the order of packages/client/src/clover-client.ts. */
export function* join(context: Context, identity: Identity): Protocol<void> {
  const { session } = context;
  yield* change(context, { do: "enter", pid: session.clientId, kind: "pulse" });
  identity.hasEntered = true;
  yield* session.table.load(context);
}
