// Mends a store that nobody uses, by what an audit found: in passes, each of which mends what the
// rest stands on (words of the root, of buckets, of cells), then takes back what dead clients held,
// then mends slots; and each looks at the store anew. Ends when there is nothing left that it can
// mend.
//
// What must hold:
// - Nobody else posts verbs; every client but this one is dead.
// - A repair may die at any point and be begun again. A store that was repaired is not changed by
//   another repair.
// - What was never committed stays so, what was deleted stays so, and what is lost is named.

import { isPdpmError, PdpmError } from "@pdpm/base";
import { type Address, addressText, chunkOf } from "@pdpm/layout";
import type { Protocol } from "@pdpm/verbs";
import { type AuditReport, auditStore } from "./audit.ts";
import { type HeldWord, type Problem, type ProblemKind, problemKinds } from "./findings.ts";
import { judge } from "./judge.ts";
import { readLeases } from "./leases.ts";
import { Mender } from "./mender.ts";
import { settle } from "./reap.ts";
import { mendBucketWord, mendLostBucket } from "./repair-buckets.ts";
import { mendEntry } from "./repair-entries.ts";
import { mendLease, mendRootWord } from "./repair-root.ts";
import {
  mendCopy,
  mendHeld,
  mendMisnamed,
  mendNotLive,
  mendState,
  mendStray,
  mendUnnamed,
} from "./repair-slots.ts";
import { mendTable } from "./repair-table.ts";
import type { Context } from "./session.ts";

/** What a repair did, in sentences. */
export interface RepairReport {
  readonly repaired: readonly string[];
  /** Keys whose value could not be saved; each is named if it can be. */
  readonly lost: readonly string[];
}

/** Each kind of problem takes a pass or two. */
const passesMost = 64;

const menders: Readonly<
  Record<Exclude<ProblemKind, "table-word">, (mender: Mender, problem: Problem) => Protocol<void>>
> = {
  "root-word": mendRootWord,
  "lease-record": mendLease,
  "bucket-word": mendBucketWord,
  "lost-bucket": mendLostBucket,
  "entry-word": mendEntry,
  "state-word": mendState,
  copy: mendCopy,
  "not-live": mendNotLive,
  misnamed: mendMisnamed,
  unnamed: mendUnnamed,
  stray: mendStray,
};

/** Before these are mended, everything that dead clients held is taken back. */
const afterHolds: readonly ProblemKind[] = ["copy", "not-live", "misnamed", "unnamed", "stray"];

/**
 * Mends what `report`, a fresh audit, says. Audit again to see what could not be mended.
 * @throws PDPM_IN_USE when somebody who has a lease or a lock lives; nothing was changed then.
 */
export function* repairStore(context: Context, report: AuditReport): Protocol<RepairReport> {
  const mender = new Mender(context, report);
  yield* refuseLiving(context, report);
  // Another client than this one may have made the audit.
  if (!report.problems.some(({ kind }) => kind === "root-word" || kind === "table-word")) {
    yield* context.session.table.load();
  }
  for (let pass = 0; pass < passesMost; pass += 1) {
    const { changes } = mender;
    yield* mendMostBasic(mender);
    if (mender.changes === changes) break;
    mender.report = yield* auditStore(context);
  }
  const isDone = mender.report.held.size === 0 && mender.report.problems.length === 0;
  if (isDone) yield* freeLeases(mender);
  return { repaired: mender.repaired, lost: mender.lost };
}

function* refuseLiving(context: Context, report: AuditReport): Protocol<void> {
  const ids = new Set(report.heldBy.keys());
  // With a damaged record among them they cannot be read.
  if (!report.problems.some(({ kind }) => kind === "lease-record")) {
    for (const { clientId } of yield* readLeases(context.session)) ids.add(clientId);
  }
  ids.delete(context.session.clientId);
  for (const id of ids) {
    const { alive, who } = yield* judge(context, id);
    if (alive) throw new PdpmError("PDPM_IN_USE", `client ${id} (${who}) has the store open`);
  }
}

/** One kind of problem, or what the dead held. */
function* mendMostBasic(mender: Mender): Protocol<void> {
  const { problems, held } = mender.report;
  for (const kind of problemKinds) {
    if (afterHolds.includes(kind) && held.size > 0) break;
    const these = problems.filter((problem) => problem.kind === kind);
    const { changes } = mender;
    if (kind === "table-word" && these.length > 0) yield* mendTable(mender, these);
    else if (kind !== "table-word")
      for (const problem of these) yield* menders[kind](mender, problem);
    if (mender.changes > changes) return;
  }
  if (held.size > 0) yield* takeBack(mender);
}

/**
 * Finishes or undoes what dead clients left; where damage is in the way, their hold is only ended.
 */
function* takeBack(mender: Mender): Protocol<void> {
  const stuck: [Address, HeldWord][] = [];
  for (const [address, word] of mender.report.held) {
    try {
      yield* settle(mender.context, address, word.owner);
      mender.changes += 1;
      const where = addressText(address);
      mender.repaired.push(`${where}: what client ${word.owner} held was taken back`);
    } catch (error) {
      if (!isPdpmError(error) || error.code !== "PDPM_CORRUPT") throw error;
      stuck.push([address, word]);
    }
  }
  // A bucket's lock is tried again when the slots that were in its way are mended.
  const cells = stuck.filter(([address]) => chunkOf(address) !== 0);
  for (const [address, word] of cells.length > 0 ? cells : stuck) {
    yield* mendHeld(mender, address, word);
  }
}

/** Nobody lives: no record is in use. */
function* freeLeases(mender: Mender): Protocol<void> {
  const { session } = mender;
  for (const lease of yield* readLeases(session)) {
    if (lease.clientId === session.clientId) continue;
    yield* mender.set(lease.at, 0n);
    mender.repaired.push(`the lease of client ${lease.clientId}, which is dead, was ended`);
  }
}
