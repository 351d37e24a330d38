// Clover's insert: a key's first version.
//
//   1. WRITE the version to a buffer in hand, FLUSH it.
//   2. `create` at the metadata service: the commit point. It wants the buffer leased to us, the
//      key absent, and every commit number of the batch above those of the key's earlier lives.
//   3. Mark the version as head, FLUSH (H23); then acknowledge.
//   Somebody else was faster: the same buffer is appended to his chain.
// Source: paper section 4.2; design H9, H15, H22, H23.

import { PdpmError } from "@pdpm/base";
import { type Key, keyBytes, type WriteBatch } from "@pdpm/kv";
import type { ReplyOf } from "@pdpm/metadata-server/protocol";
import type { Protocol } from "@pdpm/verbs";
import { changeCommitting } from "./calls.ts";
import { markHeads } from "./head-marks.ts";
import type { Written } from "./known.ts";
import type { NewVersion } from "./new-version.ts";
import type { Context } from "./session.ts";
import { writeVersion } from "./write-version.ts";

/** Inserts `key`, whose numbers start above `floor`. "stale": it exists by now. */
export function* insertKey(
  context: Context,
  key: Key,
  batch: WriteBatch,
  floor: number,
): Protocol<Written> {
  let version: NewVersion | undefined;
  let above = floor;
  try {
    for (;;) {
      const decision = batch.decide(false, above);
      const { value, commitNumber } = decision;
      if (value === undefined) return "done";
      // With other numbers another one of the batch's conditions may hold.
      if (version !== undefined && !version.carries(decision)) {
        version.release();
        version = undefined;
      }
      if (version === undefined) {
        version = yield* writeVersion(context, key, value, commitNumber);
      } else {
        yield* version.renumber(commitNumber);
      }
      const reply = yield* create(context, key, version, above + 1);
      if (reply === "created") {
        yield* created(context, key, version);
        return "done";
      }
      if (reply === "notLeased") throw notLeased();
      if ("exists" in reply) return "stale";
      above = reply.floor;
    }
  } finally {
    version?.release();
  }
}

function* create(
  context: Context,
  key: Key,
  version: NewVersion,
  leastNumber: number,
): Protocol<ReplyOf["create"]> {
  const { pointer } = version;
  try {
    const reply = yield* changeCommitting(context, {
      do: "create",
      key: keyBytes(key),
      pointer,
      commitNumber: leastNumber,
    });
    if (reply !== "created") context.operation.hadNoEffect();
    return reply;
  } catch (error) {
    if (context.operation.outcome === "unknown") version.doubted();
    throw error;
  }
}

function* created(context: Context, key: Key, version: NewVersion): Protocol<void> {
  const { pointer, commitNumber, bytes } = version;
  version.linked();
  yield* markHeads(context, [pointer]);
  context.session.cursors.set(key, pointer, commitNumber, bytes);
  context.session.shortcuts.publish(keyBytes(key), pointer);
}

function notLeased(): PdpmError {
  return new PdpmError(
    "PDPM_FENCED",
    "the buffer in hand is not leased to this client any more: try again",
  );
}
