// What everything else stands on: assertions, errors, time, randomness. No dependency, no I/O.
export { AssertionError, assert, present, unreachable } from "./assert.ts";
export { type BackoffOptions, backoffMs } from "./backoff.ts";
export {
  type Clock,
  hostNanoseconds,
  sleep,
  systemClock,
  type TimerOptions,
  wallClockText,
} from "./clock.ts";
export {
  type ErrorAction,
  type ErrorCode,
  type ErrorDetails,
  type ErrorOutcome,
  errorCodes,
  isPdpmError,
  PdpmError,
} from "./errors.ts";
export {
  type Breach,
  hold,
  InvariantBroken,
  type InvariantId,
  invariantName,
  invariantTexts,
  isInvariantBroken,
} from "./invariant.ts";
export { Prng } from "./prng.ts";
