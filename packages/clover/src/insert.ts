// Clover's insert: a key's first version.
//
//   1. WRITE the version to a buffer in hand, FLUSH it.
//   2. `create` at the metadata service: the commit point. It wants the buffer leased to us, the
//   key
//      absent, and a commit number above every one of the key's earlier lives.
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
      const { value, commitNumber } = batch.decide(false, above);
      if (value === undefined) return "done";
      if (version === undefined) {
        version = yield* writeVersion(context, key, value, commitNumber);
      } else {
        yield* version.renumber(commitNumber);
      }
      const reply = yield* create(context, key, version);
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

function* create(context: Context, key: Key, version: NewVersion): Protocol<ReplyOf["create"]> {
  const { pointer, commitNumber } = version;
  try {
    const reply = yield* changeCommitting(context, {
      do: "create",
      key: keyBytes(key),
      pointer,
      commitNumber,
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
}

function notLeased(): PdpmError {
  return new PdpmError(
    "PDPM_FENCED",
    "the buffer in hand is not leased to this client any more: try again",
  );
}
