// Looks at a whole Central store while nobody works on it, after everything was given back and
// cleaned: directory, space and memory must say the same, cell by cell; and what a repair would
// find in memory if the directory were lost (H23).

import { assert } from "@pdpm/base";
import { type Key, toKey } from "@pdpm/kv";
import type { MemoryStore } from "@pdpm/metadata-server";
import {
  type AuditedStore,
  audit,
  records,
  type SeenCell,
  validCells,
} from "../../packages/central/src/contract-audit.ts";
import { clientsPrefix } from "../../packages/metadata-server/src/records.ts";
import { highWaterIn, recordsOf, SpaceAudit } from "./space-audit.ts";

/** What the audit found. */
export interface AuditReport {
  readonly problems: readonly string[];
  readonly live: number;
  readonly free: number;
  readonly spent: number;
}

/** See above. Nothing is leased, nothing is superseded, and nobody has the store open. */
export async function auditStore(parts: AuditedStore, store: MemoryStore): Promise<AuditReport> {
  const { chunkBytes } = parts.label;
  const space = await SpaceAudit.run(store, chunkBytes);
  const problems = [...space.problems, ...(await audit(parts))];
  const live = await records(parts);
  for (const [key, { stale }] of live) {
    if (stale.length > 0) problems.push(`${stale.length} superseded cells of ${key} are left`);
  }
  for (const { key } of await recordsOf(store, clientsPrefix)) {
    problems.push(`the service still knows ${key}`);
  }
  const highWater = highWaterIn(parts.memories);
  for (const { key, commitNumber } of await validCells(parts)) {
    if (commitNumber <= highWater) continue;
    problems.push(`a cell of ${toKey(key)} is above the high-water mark, ${highWater}`);
  }
  const { free, spent } = space;
  return { problems, live: live.size, free, spent };
}

/** The keys, and their values, that a repair would find: of each the valid cell of most number. */
export async function repairedCells(parts: AuditedStore): Promise<ReadonlyMap<Key, SeenCell>> {
  const latest = new Map<Key, SeenCell>();
  for (const cell of await validCells(parts)) {
    const key = toKey(cell.key);
    const other = latest.get(key);
    const isTie = other?.commitNumber === cell.commitNumber;
    const isSame = isTie && Buffer.compare(other.valueBytes, cell.valueBytes) === 0;
    assert(!isTie || isSame, `two values of ${key} have the number ${cell.commitNumber}`);
    if (other === undefined || other.commitNumber < cell.commitNumber) latest.set(key, cell);
  }
  return latest;
}
