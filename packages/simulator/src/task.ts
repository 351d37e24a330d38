// Who takes part in an interleaved run: clients, and the protocols that they run.

import { unreachable } from "@pdpm/base";
import {
  type ChunkMap,
  CounterTable,
  type Fabric,
  Operation,
  type Protocol,
  type Round,
} from "@pdpm/verbs";

/** The interleaver posts rounds itself. */
const noFabric: Fabric = {
  post: (round) => unreachable(round as never, "posted past the interleaver"),
};

/** One client as the fabric sees it: what it posts, and whether it still may. */
export class SimulatedClient {
  readonly id: number;
  readonly chunks: ChunkMap;
  /** It runs no more; what it had posted may still be applied. */
  isKilled = false;
  /** Nothing of it is applied any more, at any node. */
  isFenced = false;
  readonly tasks: Set<Task> = new Set<Task>();
  readonly counters: CounterTable = new CounterTable();

  constructor(id: number, chunks: ChunkMap) {
    this.id = id;
    this.chunks = chunks;
  }

  /** A fresh operation, counted under `kind`. */
  operation(kind: string): Operation {
    return new Operation(this.counters.kind(kind), noFabric);
  }

  /** The operations that are running, for `SessionOptions.running` and its like. */
  *running(): Iterable<Operation> {
    for (const { operation } of this.tasks) yield operation;
  }
}

/** How a protocol ended. */
export type Ended<T> = { readonly value: T } | { readonly error: unknown };

/** One running protocol. */
export class Task {
  readonly client: SimulatedClient;
  readonly operation: Operation;
  readonly name: string;
  readonly protocol: Protocol<unknown>;
  readonly end: (ended: Ended<unknown>) => void;
  /** The round that is under way, and its replies so far; undefined before the first. */
  round: Round | undefined;
  replies: unknown[] = [];
  /** Flights and errands of the round that are not over. */
  waitsFor = 0;
  wakeAt = 0;

  constructor(
    client: SimulatedClient,
    operation: Operation,
    name: string,
    protocol: Protocol<unknown>,
    end: (ended: Ended<unknown>) => void,
  ) {
    this.client = client;
    this.operation = operation;
    this.name = name;
    this.protocol = protocol;
    this.end = end;
  }
}
