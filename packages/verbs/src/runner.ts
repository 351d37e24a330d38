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
import { Crowd } from "./crowd.ts";
import type { Fabric } from "./fabric.ts";
import { type Limits, Operation } from "./operation.ts";
import type { Protocol } from "./protocol.ts";
import type { Replies, Round } from "./round.ts";
import { throwIfAborted, type Wait, Waits } from "./waits.ts";

/** Runs the operations of one client. */
export class Runner {
  readonly counters: CounterTable;
  readonly waits: Waits;
  #fabric: Fabric;
  readonly #running = new Crowd<Operation>();
  /** Told when nothing runs any more. */
  #idle: (() => void)[] = [];

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
    return this.#start(operation, protocol, limits);
  }

  /** Runs `protocol` to its end, with nobody's deadline. Errors carry the operation's outcome. */
  execute<T>(operation: Operation, protocol: Protocol<T>): T | Promise<T> {
    return this.#start(operation, protocol, noLimits);
  }

  /** Settles when everything that was running has ended, its clean-up included. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) {
      await new Promise<void>((resolve) => {
        this.#idle.push(resolve);
      });
    }
  }

  /** The operations that have not ended, those whose callers have left included. */
  running(): Iterable<Operation> {
    return this.#running.all();
  }

  #start<T>(operation: Operation, protocol: Protocol<T>, limits: Limits): T | Promise<T> {
    try {
      let step = protocol.next();
      while (!step.done) {
        const round = step.value;
        const replies = post(operation, round);
        if (replies instanceof Promise) {
          const execution = new Execution(operation, protocol, this.waits, this.#ended);
          this.#running.add(operation);
          return execution.begin(round, replies, limits);
        }
        operation.answered(round, replies);
        step = protocol.next(replies);
      }
      return step.value;
    } catch (error) {
      throw withOutcome(error, operation);
    }
  }

  readonly #ended = (operation: Operation): void => {
    this.#running.delete(operation);
    if (this.#running.size > 0 || this.#idle.length === 0) return;
    const idle = this.#idle;
    this.#idle = [];
    for (const resolve of idle) resolve();
  };
}

/** Posts a round of `operation`, counted. */
function post(operation: Operation, round: Round): Replies | Promise<Replies> {
  operation.posting(round);
  if (operation.counters.count(round)) operation.roundTrips += 1;
  return operation.fabric.post(round);
}

/**
 * The rest of an operation, from the first reply that was late; and its caller's wait, in the same
 * object. A promise and a listener per part would cost more than the operation.
 */
class Execution<T> implements Wait {
  place = -1;
  deadlineAt = 0;
  signal: AbortSignal | undefined = undefined;
  readonly #operation: Operation;
  readonly #protocol: Protocol<T>;
  readonly #waits: Waits;
  readonly #ended: (operation: Operation) => void;
  /** What waits for its replies. */
  #round: Round = [];
  #resolve!: (value: T) => void;
  #reject!: (error: unknown) => void;

  constructor(
    operation: Operation,
    protocol: Protocol<T>,
    waits: Waits,
    ended: (operation: Operation) => void,
  ) {
    this.#operation = operation;
    this.#protocol = protocol;
    this.#waits = waits;
    this.#ended = ended;
  }

  /** Settles with the protocol's result, or when `limits` end the caller's wait. */
  begin(round: Round, replies: Promise<Replies>, limits: Limits): Promise<T> {
    this.#round = round;
    const result = new Promise<T>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#waits.enter(this, limits);
    replies.then(this.#goOn, this.#fail);
    return result;
  }

  /** The caller's wait is over; the protocol goes on, and is told at its next round boundary. */
  end(why: PdpmError): void {
    const reason = reasonFor(this.#operation, why);
    this.#operation.tell(reason);
    this.#reject(reason);
  }

  readonly #goOn = (first: Replies): void => {
    const operation = this.#operation;
    const protocol = this.#protocol;
    try {
      for (let replies = first; ; ) {
        operation.answered(this.#round, replies);
        let step = protocol.next(replies);
        const told = step.done ? undefined : operation.takeTold();
        if (told !== undefined) step = protocol.throw(told);
        if (step.done) {
          this.#resolve(step.value);
          this.#leave();
          return;
        }
        this.#round = step.value;
        const next = post(operation, step.value);
        if (next instanceof Promise) {
          next.then(this.#goOn, this.#fail);
          return;
        }
        replies = next;
      }
    } catch (error) {
      this.#fail(error);
    }
  };

  readonly #fail = (error: unknown): void => {
    this.#reject(withOutcome(error, this.#operation));
    this.#leave();
  };

  /** Last, so that what its caller starts in answer runs before `idle` looks again. */
  #leave(): void {
    this.#waits.leave(this);
    this.#ended(this.#operation);
  }
}

const noLimits: Limits = {};

/** What a caller is told whose wait ended: why, for whom it waited, and the outcome. */
export function reasonFor(operation: Operation, why: PdpmError): PdpmError {
  const { outcome } = operation;
  const whom = why.code === "PDPM_TIMEOUT" ? operation.awaited : undefined;
  if (whom !== undefined) {
    return new PdpmError("PDPM_BUSY", `${whom}; the deadline passed`, { outcome });
  }
  return why.withOutcome(outcome);
}

function withOutcome(error: unknown, operation: Operation): unknown {
  if (!(error instanceof PdpmError)) return error;
  return error.withOutcome(operation.outcome);
}
