// The writes of several callers to one key, carried out as one write: every one takes a commit
// number of its own, conditions are evaluated in order, and only the last value is written (H12).

import { assert, PdpmError } from "@pdpm/base";
import type { Operation } from "@pdpm/verbs";

/** One caller's write. `value` undefined: a delete. */
export class WriteRequest {
  /** Replaced by a copy when the caller leaves: the buffer is the caller's again then. */
  value: Uint8Array | undefined;
  readonly ifVersion: number | undefined;
  /** The caller was told "not-applied" and must not be counted in any more. */
  gone = false;
  /** The caller was told "unknown": it waits no more, but its write may take effect. */
  left = false;
  /** The batch that carries it out; undefined while it queues. */
  batch: WriteBatch | undefined;
  resolve: (version: number | undefined) => void = () => {};
  reject: (error: unknown) => void = () => {};

  constructor(value: Uint8Array | undefined, ifVersion: number | undefined) {
    this.value = value;
    this.ifVersion = ifVersion;
  }
}

/** What is to be done, given the key's present state. */
export interface Decision {
  /** The value to write under `commitNumber`; undefined: nothing is to be written. */
  readonly value: Uint8Array | undefined;
  readonly commitNumber: number;
  /** The key is to be deleted. */
  readonly remove: boolean;
}

/** The writes that one protocol carries out together: puts, or a single delete. */
export class WriteBatch {
  readonly operation: Operation;
  readonly requests: readonly WriteRequest[];
  #results: readonly (number | undefined | PdpmError)[] | undefined;

  constructor(operation: Operation, requests: readonly WriteRequest[]) {
    assert(requests.length > 0, "a batch has at least one request");
    this.operation = operation;
    this.requests = requests;
    for (const request of requests) request.batch = this;
    operation.counters.operations += requests.length - 1;
  }

  get isDelete(): boolean {
    return this.requests[0]?.value === undefined;
  }

  /** A decision stands: every caller still here may be part of what is written. */
  get isDecided(): boolean {
    return this.#results !== undefined;
  }

  /**
   * Evaluates the writes in order. Called anew after every lost race.
   * @param present - Whether the key exists.
   * @param commitNumber - Its number; for a missing key the floor that new numbers start above.
   */
  decide(present: boolean, commitNumber: number): Decision {
    let exists = present;
    let number = commitNumber;
    let value: Uint8Array | undefined;
    this.#results = this.requests.map((request) => {
      if (request.gone) return undefined;
      const found = exists ? number : 0;
      if (request.ifVersion !== undefined && request.ifVersion !== found) {
        return conflict(request.ifVersion, found);
      }
      if (request.value === undefined) return exists ? number : undefined;
      exists = true;
      number += 1;
      value = request.value;
      return number;
    });
    return { value, commitNumber: number, remove: this.isDelete && this.#results[0] === number };
  }

  /** What the last decision gave `request`. @throws PDPM_CONFLICT */
  resultOf(request: WriteRequest): number | undefined {
    assert(this.#results !== undefined, "a batch has results only after it was decided");
    const result = this.#results[this.requests.indexOf(request)];
    if (result instanceof PdpmError) throw result;
    return result;
  }

  /** Tells every caller. */
  settle(): void {
    for (const request of this.requests) {
      try {
        request.resolve(this.resultOf(request));
      } catch (error) {
        request.reject(error);
      }
    }
  }
}

function conflict(expected: number, found: number): PdpmError {
  const wanted = expected === 0 ? "the key must not exist" : `version ${expected} was expected`;
  const state = found === 0 ? "it does not exist" : `its version is ${found}`;
  return new PdpmError("PDPM_CONFLICT", `${wanted}, but ${state}; read it again and decide`);
}
