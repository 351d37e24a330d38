// Writes of one client to one key queue here before their protocol starts; puts that wait together
// are combined.
//
// Invariant: at most one write protocol of this client runs per key. So a lock word that carries
// this client's id, and is not in use by a running protocol, is a leftover and never a rival.

import { isPdpmError, PdpmError } from "@pdpm/base";
import {
  type Limits,
  type Operation,
  type Protocol,
  type Runner,
  reasonFor,
  throwIfAborted,
} from "@pdpm/verbs";
import type { Key } from "./key.ts";
import { WriteBatch, WriteRequest } from "./write-batch.ts";

/** Puts combined at most into one write. */
const batchMost = 64;

/** Writes of one client that wait for one key at most. */
const laneMost = 65_536;

/** One key's writes: those that wait, and the batch that is under way. */
interface Lane {
  readonly waiting: WriteRequest[];
  batch: WriteBatch;
}

/** Runs the write protocol of a batch to its end; it has called `batch.decide` when it returns. */
export type WriteProtocol = (key: Key, batch: WriteBatch) => Protocol<void>;

/** The queues of one client, by key. A key without a running write has none. */
export class WriteQueue {
  readonly #runner: Runner;
  readonly #protocol: WriteProtocol;
  readonly #lanes = new Map<Key, Lane>();

  constructor(runner: Runner, protocol: WriteProtocol) {
    this.#runner = runner;
    this.#protocol = protocol;
  }

  /**
   * Writes; `value` undefined deletes. Ready at once when memory is mapped and nothing must wait.
   * @returns the commit number written or deleted; undefined when there was nothing to delete.
   * @throws PDPM_CONFLICT and what the protocol throws, with the outcome.
   */
  submit(
    key: Key,
    value: Uint8Array | undefined,
    ifVersion: number | undefined,
    limits: Limits,
  ): number | undefined | Promise<number | undefined> {
    throwIfAborted(limits.signal);
    const request = new WriteRequest(value, ifVersion);
    const lane = this.#lanes.get(key);
    if (lane === undefined) {
      const batch = this.#batch([request]);
      const work = this.#runner.execute(batch.operation, this.#protocol(key, batch));
      if (!(work instanceof Promise)) return batch.resultOf(request);
      const fresh = { waiting: [], batch };
      this.#lanes.set(key, fresh);
      void this.#drain(key, fresh, work); // Never rejects: every failure goes to its callers.
    } else {
      if (lane.waiting.length >= laneMost) {
        throw new PdpmError("PDPM_BUSY", `${laneMost} writes of this client wait for one key`);
      }
      lane.waiting.push(request);
    }
    const result = new Promise<number | undefined>((resolve, reject) => {
      request.resolve = resolve;
      request.reject = reject;
    });
    return this.#runner.waits.until(result, limits, (why) =>
      leave(request, why, lane?.batch.operation),
    );
  }

  /** Writes that are waiting behind a running one. */
  get waiting(): number {
    let count = 0;
    for (const lane of this.#lanes.values()) count += lane.waiting.length;
    return count;
  }

  #batch(requests: readonly WriteRequest[]): WriteBatch {
    const kind = requests[0]?.value === undefined ? "delete" : "put";
    return new WriteBatch(this.#runner.operation(kind), requests);
  }

  async #drain(key: Key, lane: Lane, firstWork: Promise<void>): Promise<void> {
    let work: void | Promise<void> = firstWork;
    for (;;) {
      try {
        await work;
        lane.batch.settle();
      } catch (error) {
        lane.waiting.unshift(...fail(lane.batch, error));
      }
      const next = takeBatch(lane.waiting);
      if (next.length === 0) break;
      lane.batch = this.#batch(next);
      try {
        work = this.#runner.execute(lane.batch.operation, this.#protocol(key, lane.batch));
      } catch (error) {
        work = Promise.reject(error);
      }
    }
    this.#lanes.delete(key);
  }
}

/** Rejects the batch's callers; returns those who are to be tried again. */
function fail(batch: WriteBatch, error: unknown): readonly WriteRequest[] {
  const { operation } = batch;
  const staying = batch.requests.filter((request) => !request.gone);
  // It was stopped because some of its callers left; the others want to go on.
  if (operation.wasTold && isPdpmError(error) && operation.outcome === "not-applied") {
    operation.counters.operations -= staying.length;
    return staying;
  }
  for (const request of staying) request.reject(error);
  return [];
}

/** The next writes that can go together: puts up to a bound, or one delete. */
function takeBatch(lane: WriteRequest[]): WriteRequest[] {
  const next: WriteRequest[] = [];
  while (lane.length > 0 && next.length < batchMost) {
    const request = lane[0] as WriteRequest;
    if (request.value === undefined && next.length > 0) break;
    lane.shift();
    if (request.gone || request.left) continue;
    next.push(request);
    if (request.value === undefined) break;
  }
  return next;
}

/**
 * A caller leaves early; what it is told holds from now on. `ahead`: what its write queued behind.
 */
function leave(request: WriteRequest, why: PdpmError, ahead: Operation | undefined): PdpmError {
  const { batch } = request;
  if (batch === undefined) {
    request.gone = true;
    return (ahead === undefined ? why : reasonFor(ahead, why)).withOutcome("not-applied");
  }
  const { operation, requests } = batch;
  const reason = reasonFor(operation, why);
  if (reason.outcome === "unknown") {
    request.left = true;
    // Not slice(), which for a Buffer is no copy.
    if (request.value !== undefined) request.value = new Uint8Array(request.value);
  } else {
    request.gone = true;
  }
  // Nobody is left; or a value of one who is gone may already be part of what is being written.
  const isIdle = requests.every(({ gone, left }) => gone || left);
  if (isIdle || (request.gone && batch.isDecided)) operation.tell(reason);
  return reason;
}
