// Assertions: the written-down mental model of the code. They are always on, in production too, and
// mean "our bug". Bytes from a wire or a region are data, never asserted: return a reason instead.

/** An assertion that did not hold: always a defect of pdpm itself, never of its caller. */
export class AssertionError extends Error {
  override readonly name: string = "AssertionError";
}

/** Throws AssertionError with `message` unless `condition` is true. One condition per call. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** Marks a branch that the types say cannot be reached. */
export function unreachable(value: never, message = "unreachable"): never {
  throw new AssertionError(`${message}: ${String(value)}`);
}

/** Returns `value`, which must not be undefined: for look-ups whose key is known to be present. */
export function present<T>(value: T | undefined, message: string): T {
  if (value === undefined) throw new AssertionError(message);
  return value;
}
