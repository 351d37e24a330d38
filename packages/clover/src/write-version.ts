// The first round trip of a put: a buffer is taken, and the version written there, durably.
// Shortcuts that wait to be published ride in the same round.

import { type Key, keyBytes } from "@pdpm/kv";
import { bufferClassFor, bufferImageBytes } from "@pdpm/layout";
import { type Protocol, round } from "@pdpm/verbs";
import { raiseHighWater } from "./high-water.ts";
import { NewVersion } from "./new-version.ts";
import type { Context } from "./session.ts";
import { takeBuffer } from "./take-buffer.ts";

/** Takes a buffer and writes the version there: one round trip. */
export function* writeVersion(
  context: Context,
  key: Key,
  value: Uint8Array,
  commitNumber: number,
): Protocol<NewVersion> {
  yield* raiseHighWater(context, commitNumber);
  const sizeClass = bufferClassFor(bufferImageBytes(keyBytes(key).length, value.length));
  const pointer = yield* takeBuffer(context, sizeClass);
  const version = new NewVersion(context, key, pointer, sizeClass, value, commitNumber);
  try {
    yield* round(...version.posts(), ...context.session.shortcuts.posts());
  } catch (error) {
    version.release();
    throw error;
  }
  return version;
}
