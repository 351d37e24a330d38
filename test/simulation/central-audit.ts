// Looks at a whole Central store while nobody works on it, after everything was given back and
// cleaned: directory, space and memory must say the same, cell by cell; and what a repair would
// find in memory if the directory were lost (H23).

import { hold } from "@pdpm/base";
import { type Key, toKey } from "@pdpm/kv";
import type { MemoryStore } from "@pdpm/metadata-server";
import {
  type AuditedStore,
  audit,
  records,
  type SeenCell,
  validCells,
} from "../../packages/central/src/contract-audit.ts";
import { clientIn, clientsPrefix } from "../../packages/metadata-server/src/records.ts";
import { type AuditReport, highWaterIn, recordsOf, SpaceAudit } from "./space-audit.ts";

/** See above. Nothing is leased, nothing is superseded, and nobody has the store open. */
export async function auditStore(parts: AuditedStore, store: MemoryStore): Promise<AuditReport> {
  const { chunkBytes } = parts.label;
  const space = await SpaceAudit.run(store, chunkBytes);
  const problems = await audit(parts);
  const live = await records(parts);
  for (const [key, { stale }] of live) {
    if (stale.length === 0) continue;
    const text = `${stale.length} superseded cells of ${key} are left`;
    problems.push({ invariant: "I8", text });
  }
  const highWater = highWaterIn(parts.memories);
  for (const { key, commitNumber } of await validCells(parts)) {
    if (commitNumber <= highWater) continue;
    const text = `a cell of ${toKey(key)} is above the high-water mark, ${highWater}`;
    problems.push({ invariant: "I12", text });
  }
  const clients = await recordsOf(store, clientsPrefix);
  return space.report(
    live.size,
    problems,
    clients.map(({ key }) => clientIn(key)),
  );
}

/** The keys, and their values, that a repair would find: of each the valid cell of most number. */
export async function repairedCells(parts: AuditedStore): Promise<ReadonlyMap<Key, SeenCell>> {
  const latest = new Map<Key, SeenCell>();
  for (const cell of await validCells(parts)) {
    const key = toKey(cell.key);
    const other = latest.get(key);
    const isTie = other?.commitNumber === cell.commitNumber;
    const isSame = isTie && Buffer.compare(other.valueBytes, cell.valueBytes) === 0;
    const text = `two values of ${key} have the number ${cell.commitNumber}`;
    hold(isTie && !isSame ? [{ invariant: "I12", text }] : []);
    if (other === undefined || other.commitNumber < cell.commitNumber) latest.set(key, cell);
  }
  return latest;
}
