// The write queue of a simulated client, without promises: as packages/kv/src/write-queue.ts,
// writes of one key wait behind each other, and puts that wait together go together.

import type { PdpmError } from "@pdpm/base";
import { type Key, WriteBatch, WriteRequest } from "@pdpm/kv";
import type { Ended, SimulatedClient } from "@pdpm/simulator";
import { type Operation, type Protocol, reasonFor } from "@pdpm/verbs";
import type { CallerWorld, Waiting, Writes } from "./caller.ts";
import type { Entry } from "./history.ts";
import { NewWrites } from "./new-writes.ts";

/** A write in the queue of its key. */
interface QueuedWrite extends Waiting {
  readonly request: WriteRequest;
  readonly entry: Entry;
  isOver: boolean;
}

/** Puts combined at most into one write; small, so that the bound is met. */
const batchMost = 3;

/** The client that the queue belongs to. */
interface Writer {
  readonly number: number;
  readonly prng: CallerWorld["prng"];
  readonly identity: {
    readonly simulated: SimulatedClient;
    context(operation: Operation): unknown;
  };
  write(context: unknown, key: Key, batch: WriteBatch): Protocol<void>;
  go(): void;
  waits(waiting: Waiting): void;
  waitsNoMore(waiting: Waiting): void;
  written(entry: Entry, version: number | undefined): void;
  refused(entry: Entry, error: PdpmError): void;
}

/** The queues of one client, by key. */
export class WriteLanes implements Writes {
  readonly #world: CallerWorld;
  readonly #client: Writer;
  readonly #lanes = new Map<Key, QueuedWrite[]>();
  readonly #fresh: NewWrites;

  constructor(world: CallerWorld, client: Writer) {
    this.#world = world;
    this.#client = client;
    this.#fresh = new NewWrites(world, client);
  }

  /** A put or a delete begins; `guess` says on which version it depends, if it does. */
  submit(key: Key, isPut: boolean, guess: (() => number) | undefined): void {
    const { entry, value, ifVersion } = this.#fresh.begin(key, isPut, guess);
    const write: QueuedWrite = {
      request: new WriteRequest(value, ifVersion),
      entry,
      isOver: false,
      leave: (why) => this.#leave(write, why),
    };
    this.#client.waits(write);
    const lane = this.#lanes.get(key);
    if (lane !== undefined) lane.push(write);
    else {
      this.#lanes.set(key, [write]);
      this.#nextBatch(key);
    }
  }

  /** Its client died: what waited was never begun. */
  clear(): void {
    this.#lanes.clear();
  }

  /** Puts that wait together go together, a delete goes alone. */
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
    const { identity } = this.#client;
    const operation = identity.simulated.operation(kind);
    const batch = new WriteBatch(
      operation,
      next.map(({ request }) => request),
    );
    const protocol = this.#client.write(identity.context(operation), key, batch);
    const name = `${kind} ${key}`;
    this.#world.interleaver.spawn(identity.simulated, operation, name, protocol, (ended) =>
      this.#endBatch(key, batch, next, ended),
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
        for (const write of staying) {
          this.#over(write, () => this.#client.refused(write.entry, error));
        }
      }
    }
    this.#nextBatch(key);
    this.#client.go();
  }

  #answer(write: QueuedWrite, batch: WriteBatch): void {
    this.#over(write, () => {
      const { entry, request } = write;
      let version: number | undefined;
      try {
        version = batch.resultOf(request);
      } catch (error) {
        this.#client.refused(entry, error as PdpmError);
        return;
      }
      this.#client.written(entry, version);
    });
  }

  /** Calls `settle` unless the caller has left already. */
  #over(write: QueuedWrite, settle: () => void): void {
    if (write.isOver) return;
    write.isOver = true;
    this.#client.waitsNoMore(write);
    settle();
  }

  #leave(write: QueuedWrite, why: PdpmError): void {
    const { request, entry } = write;
    const { batch } = request;
    this.#over(write, () => {
      const isUnknown = batch !== undefined && batch.operation.outcome === "unknown";
      if (isUnknown) return; // The entry stays as it is: unknown.
      request.gone = true;
      entry.outcome = "not-applied";
      entry.end = this.#world.interleaver.steps;
      if (batch === undefined) return;
      if (batch.isDecided || batch.requests.every(({ gone }) => gone)) {
        batch.operation.tell(reasonFor(batch.operation, why));
      }
    });
  }
}
