// Versions under load from four processes: each one is given out once and they only grow, also
// across the lives of a key that is deleted and made again, and nobody sees a value of an earlier
// life.

import { expect } from "vitest";
import { type Design, reachesOf, type Transport } from "./increments.ts";
import type { Child, Scene } from "./processes.ts";

const lineMs = 200_000;

/** Four processes at work on one store. Nobody leaves before all are done. */
export class Four {
  readonly #children: readonly Child[];

  private constructor(children: readonly Child[]) {
    this.#children = children;
  }

  static async start(scene: Scene, design: Design, transport: Transport): Promise<Four> {
    const reaches = await reachesOf(scene, design, transport);
    const children = reaches.map((reach, id) => scene.start(script, { given: { ...reach, id } }));
    for (const child of children) expect(await child.line()).toBe("ready");
    return new Four(children);
  }

  get size(): number {
    return this.#children.length;
  }

  /** All do `what` so many times, at once; returns their reports. */
  async all<T>(what: "blindPuts" | "lives", times: number): Promise<T[]> {
    for (const child of this.#children) child.tell([what, times]);
    const reports: T[] = [];
    for (const child of this.#children) reports.push(await child.line<T>(lineMs));
    return reports;
  }

  async leave(): Promise<void> {
    for (const child of this.#children) child.tell(["leave"]);
    for (const child of this.#children) {
      expect(await child.end()).toEqual({ code: 0, signal: null });
    }
  }
}

const blindPuts = `
  async function blindPuts(times) {
    const versions = [];
    for (let i = 0; i < times; i += 1) {
      const { version } = await store.put("the key", new Uint8Array(100 + i % 900).fill(given.id));
      versions.push(version);
      // Mapped puts end at once: the others get their turn.
      if (i % 8 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    return versions;
  }
`;

/** Blind puts of four processes to one key get distinct, growing versions. */
export async function expectDistinctVersions(four: Four, times: number): Promise<void> {
  const all = await four.all<number[]>("blindPuts", times);
  for (const versions of all) {
    expect(versions.length).toBe(times);
    expect(versions.filter((version, i) => version <= (versions[i - 1] ?? 0))).toEqual([]);
  }
  expect(new Set(all.flat()).size).toBe(four.size * times);
}

/**
 * Everybody deletes, makes again, and reads the same few keys, whose cursors the others' work makes
 * stale. What one process sees of a key only grows: a value of an earlier life, or one that was
 * overtaken, would fall back.
 */
const lives = `
  const bytes = (value) => new TextEncoder().encode(value);
  const text = (value) => new TextDecoder().decode(value);
  async function lives(times) {
    const keys = ["a", "b", "c"];
    const floor = new Map(keys.map((key) => [key, 0]));
    const seen = [];
    const found = { deletes: 0, conflicts: 0, wrong: [] };
    const see = (key, version, value, isNew) => {
      const least = floor.get(key) + (isNew ? 1 : 0);
      if (version < least) found.wrong.push([key, version, least, isNew]);
      floor.set(key, Math.max(floor.get(key), version));
      seen.push([key, version, value]);
    };
    for (let i = 0; i < times; i += 1) {
      const key = keys[(i + given.id) % keys.length];
      const mine = given.id + " " + i;
      const entry = await store.getEntry(key);
      if (entry !== undefined) see(key, entry.version, text(entry.value), false);
      const { version } = await store.put(key, bytes(mine));
      see(key, version, mine, true);
      const after = await store.getEntry(key);
      if (after !== undefined) see(key, after.version, text(after.value), false);
      if (await store.delete(key)) found.deletes += 1;
      // The life that this version belonged to is over, whoever ended it.
      try {
        await store.put(key, bytes("of an earlier life"), { ifVersion: version });
        found.wrong.push([key, version, "a put on an earlier life"]);
      } catch (error) {
        if (error.code !== "PDPM_CONFLICT") throw error;
        found.conflicts += 1;
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    return { ...found, seen };
  }
`;

const script = `
  const store = await openStore();
  ${blindPuts}
  ${lives}
  heard.on("line", async (line) => {
    const [what, times] = JSON.parse(line);
    if (what !== "leave") return say(await { blindPuts, lives }[what](times));
    await store.close();
    process.exit(0);
  });
  say("ready");
`;

interface Lives {
  readonly deletes: number;
  readonly conflicts: number;
  readonly wrong: readonly unknown[];
  /** Key, version, value: written, or read. */
  readonly seen: readonly (readonly [string, number, string])[];
}

/** Keys that are deleted and made again show no stale value, and versions grow across lives. */
export async function expectGrowingLives(four: Four, times: number): Promise<void> {
  const reports = await four.all<Lives>("lives", times);
  for (const { wrong, conflicts } of reports) {
    expect(wrong).toEqual([]);
    expect(conflicts).toBe(times);
  }
  // One version of a key, one value: no number of an earlier life is given out again.
  const values = new Map<string, string>();
  for (const [key, version, value] of reports.flatMap(({ seen }) => seen)) {
    const name = `${key} ${version}`;
    expect(values.get(name) ?? value).toBe(value);
    values.set(name, value);
  }
  const deletes = reports.reduce((sum, report) => sum + report.deletes, 0);
  expect(deletes).toBeGreaterThan(times);
  expect(deletes).toBeLessThanOrEqual(four.size * times);
}
