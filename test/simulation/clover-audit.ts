// Looks at a whole Clover store while nobody works on it, after everything was given back and
// collected: directory, space and memory must say the same, buffer by buffer.
//
// - Every buffer is exactly one of live, free and spent. Nobody leases anything. The live ones are
//   the heads of the directory's keys, one a key, each at the end of its chain, with its head mark.
// - A repair without the directory would find the same keys and values (clover-repair.ts). No
//   version that was sealed carries a head mark any more, and none has a number above the
//   high-water mark.

import type { Breach, InvariantId } from "@pdpm/base";
import { type Key, toKey } from "@pdpm/kv";
import {
  addressIn,
  chunkOf,
  isHeadMark,
  linkIn,
  offsetOf,
  type Pointer,
  pointerText,
} from "@pdpm/layout";
import { decodeRecord } from "../../packages/metadata-server/src/record.ts";
import { directoryOf, keyIn } from "../../packages/metadata-server/src/records.ts";
import { StoredVersions, type StoreParts } from "./clover-repair.ts";
import { chunkBytes } from "./plan-parts.ts";
import { type AuditReport, SpaceAudit } from "./space-audit.ts";

/** See above. */
export async function auditStore(parts: StoreParts): Promise<AuditReport> {
  const space = await SpaceAudit.run(parts.store, chunkBytes);
  return new Audit(await StoredVersions.read(parts), space).run();
}

class Audit {
  readonly #stored: StoredVersions;
  readonly #space: SpaceAudit;
  readonly #problems: Breach[] = [];

  constructor(stored: StoredVersions, space: SpaceAudit) {
    this.#stored = stored;
    this.#space = space;
  }

  async run(): Promise<AuditReport> {
    const heads = new Map<Key, Pointer>();
    for (const { key: name, value } of await this.#stored.records("directory/")) {
      const key = keyIn(name);
      heads.set(toKey(key), decodeRecord(directoryOf(key), value).head);
    }
    for (const [key, head] of heads) this.#checkHead(key, head);
    for (const address of this.#space.taken) {
      const place = `chunk ${chunkOf(address)} + ${offsetOf(address)}`;
      this.#wrong("I8", `the buffer at ${place} is taken, but belongs to no key`);
    }
    this.#checkRepair(heads);
    this.#checkVersions();
    return this.#space.report(heads.size, this.#problems, []);
  }

  #wrong(invariant: InvariantId, text: string): void {
    this.#problems.push({ invariant, text });
  }

  #checkHead(key: Key, head: Pointer): void {
    const wrong = (what: string, id: InvariantId = "I9"): void =>
      this.#wrong(id, `the head of ${key}, at ${pointerText(head)}, ${what}`);
    if (!this.#space.taken.delete(addressIn(head))) wrong("is free, or two keys' head", "I8");
    const version = this.#stored.versions.get(head);
    if (version === undefined) wrong("does not verify", "I5");
    else if (version.key !== key) wrong(`is a version of ${version.key}`);
    else if (linkIn(head, version.link) !== "end") wrong("is not the end of its chain");
    else if (!isHeadMark(head, version.headMark)) wrong("has no head mark");
  }

  #checkVersions(): void {
    const { highWater, versions } = this.#stored;
    for (const [self, { key, link, headMark, commitNumber }] of versions) {
      const wrong = (id: InvariantId, what: string): void =>
        this.#wrong(id, `the version of ${key} at ${pointerText(self)} ${what}`);
      const isSealed = linkIn(self, link) === "sealed";
      if (isSealed && isHeadMark(self, headMark))
        wrong("I9", "is sealed, free, and has a head mark");
      if (commitNumber > highWater) wrong("I12", `is above the high-water mark, ${highWater}`);
    }
  }

  #checkRepair(heads: ReadonlyMap<Key, Pointer>): void {
    const latest = this.#stored.repair();
    for (const [key, { self }] of latest) {
      if (heads.get(key) === self) continue;
      const what = heads.has(key) ? "which is not its value" : "which was deleted";
      this.#wrong("I9", `a repair would revive ${key} at ${pointerText(self)}, ${what}`);
    }
    for (const key of heads.keys()) {
      if (!latest.has(key)) this.#wrong("I9", `a repair would not find ${key}`);
    }
  }
}
