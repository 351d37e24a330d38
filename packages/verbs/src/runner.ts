// Runs protocols over a fabric: posts a round, resumes the protocol with the replies, until it
// ends.
//
// - While every reply is ready at once, the whole operation runs synchronously: no microtask.
// - A deadline or abort ends the caller's wait, not the protocol: at the next round boundary the
//   protocol is told (the reason is thrown at its `yield`, in place of posting that round) and runs
//   its clean-up rounds to the end. It is not told once a commit point may have taken effect: then
//   it is only ever finished.
// - The replies of the last round are always delivered first: a protocol never forgets a lock it
//   won.

import { type Clock, PdpmError } from "@pdpm/base";
import { CounterTable } from "./counters.ts";
import type { Fabric } from "./fabric.ts";
import { type Limits, Operation } from "./operation.ts";
import type { Protocol } from "./protocol.ts";
import type { Replies, Round } from "./round.ts";
import { throwIfAborted, Waits } from "./waits.ts";

/** Runs the operations of one client. */
export class Runner {
  readonly counters: CounterTable;
  readonly waits: Waits;
  #fabric: Fabric;
  readonly #running = new Map<Promise<unknown>, Operation>();

  constructor(fabric: Fabric, clock: Clock, counters: CounterTable = new CounterTable()) {
    this.#fabric = fabric;
    this.counters = counters;
    this.waits = new Waits(clock);
  }

  /** A fresh operation, counted under `kind`. */
  operation(kind: string): Operation {
    return new Operation(this.counters.kind(kind), this.#fabric);
  }

  /** Operations that begin from now on go through `fabric`; those that run stay with theirs. */
  switchTo(fabric: Fabric): void {
    this.#fabric = fabric;
  }

  /**
   * Runs `protocol` for a caller who waits as `limits` say.
   * @returns its result at once when every reply was ready, else a promise.
   * @throws PDPM_TIMEOUT, PDPM_BUSY, PDPM_ABORTED with the outcome; and what the protocol throws.
   */
  run<T>(operation: Operation, protocol: Protocol<T>, limits: Limits): T | Promise<T> {
    throwIfAborted(limits.signal);
    const result = this.execute(operation, protocol);
    if (!(result instanceof Promise)) return result;
    return this.waits.until(result, limits, (why) => {
      const reason = reasonFor(operation, why);
      operation.tell(reason);
      return reason;
    });
  }

  /** Runs `protocol` to its end, with nobody's deadline. Errors carry the operation's outcome. */
  execute<T>(operation: Operation, protocol: Protocol<T>): T | Promise<T> {
    try {
      let step = protocol.next();
      while (!step.done) {
        const replies = this.#post(operation, step.value);
        if (replies instanceof Promise) {
          return this.#track(operation, this.#continue(operation, protocol, step.value, replies));
        }
        operation.answered(step.value, replies);
        step = protocol.next(replies);
      }
      return step.value;
    } catch (error) {
      throw withOutcome(error, operation);
    }
  }

  /** Settles when everything that was running has ended, its clean-up included. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled([...this.#running.keys()]);
  }

  /** The operations that have not ended, those whose callers have left included. */
  running(): Iterable<Operation> {
    return this.#running.values();
  }

  #track<T>(operation: Operation, work: Promise<T>): Promise<T> {
    this.#running.set(work, operation);
    const forget = (): void => void this.#running.delete(work);
    work.then(forget, forget);
    return work;
  }

  async #continue<T>(
    operation: Operation,
    protocol: Protocol<T>,
    firstRound: Round,
    firstReplies: Promise<Replies>,
  ): Promise<T> {
    let round = firstRound;
    let pending: Replies | Promise<Replies> = firstReplies;
    try {
      for (;;) {
        const replies: Replies = pending instanceof Promise ? await pending : pending;
        operation.answered(round, replies);
        let step = protocol.next(replies);
        if (step.done) return step.value;
        const told = operation.takeTold();
        if (told !== undefined) {
          step = protocol.throw(told);
          if (step.done) return step.value;
        }
        round = step.value;
        pending = this.#post(operation, round);
      }
    } catch (error) {
      throw withOutcome(error, operation);
    }
  }

  #post(operation: Operation, round: Round): Replies | Promise<Replies> {
    operation.posting(round);
    if (operation.counters.count(round)) operation.roundTrips += 1;
    return operation.fabric.post(round);
  }
}

/** What a caller is told whose wait ended: why, for whom it waited, and the outcome. */
export function reasonFor(operation: Operation, why: PdpmError): PdpmError {
  const { outcome, waitingFor } = operation;
  if (why.code === "PDPM_TIMEOUT" && waitingFor !== undefined) {
    return new PdpmError("PDPM_BUSY", `${waitingFor}; the deadline passed`, { outcome });
  }
  return why.withOutcome(outcome);
}

function withOutcome(error: unknown, operation: Operation): unknown {
  if (!(error instanceof PdpmError)) return error;
  return error.withOutcome(operation.outcome);
}
