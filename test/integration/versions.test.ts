// Versions under load from several processes, for every design, mapped and over ws: each one is given
// out once and they only grow, also across the lives of a key that is deleted and made again.

import type { Design } from "pdpm";
import { expect, test } from "vitest";
import { startStore } from "../support/memory-nodes.ts";
import { type Child, Scene } from "../support/processes.ts";

const scene = new Scene();
const processes = 4;
const designs = ["direct", "central", "clover"] as const;
const transports = ["mapped", "ws"] as const;

/** How clients reach a new store of this design. */
async function reachOf(design: Design, transport: "mapped" | "ws") {
  const options = { timeoutMs: 60_000 };
  if (transport === "mapped") {
    return { directory: await scene.directory("memory"), options: { ...options, design } };
  }
  return { url: await startStore(scene, design, 2), options: { ...options, transport } };
}

/** Runs `script` in `processes` processes at once; each says "ready", is told to go, and reports. */
async function together<T>(script: string, given: Readonly<Record<string, unknown>>): Promise<T[]> {
  const children: Child[] = [];
  for (let id = 0; id < processes; id += 1) {
    children.push(scene.start(script, { given: { ...given, id } }));
  }
  for (const child of children) expect(await child.line()).toBe("ready");
  for (const child of children) child.tell("go");
  const reports: T[] = [];
  for (const child of children) {
    reports.push(await child.line<T>(100_000));
  }
  for (const child of children) {
    child.tell("leave");
    expect(await child.end()).toEqual({ code: 0, signal: null });
  }
  return reports;
}

/** Nobody leaves before all are done: whoever hosts Central's coordinator takes it along. */
const leaving = `
  async function leave() {
    await store.close();
    process.exit(0);
  }
`;

const blindPuts = `
  const store = await openStore();
  say("ready");
  heard.once("line", async () => {
    const versions = [];
    for (let i = 0; i < given.times; i += 1) {
      const { version } = await store.put("the key", new Uint8Array(100 + i % 900).fill(given.id));
      versions.push(version);
      // Mapped puts end at once: the others get their turn.
      if (i % 8 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    say(versions);
    heard.once("line", leave);
  });
  ${leaving}
`;

for (const design of designs) {
  for (const transport of transports) {
    test(`${design}, ${transport}: blind puts of four processes to one key get distinct, growing versions`, async () => {
      const times = 100;
      const reach = await reachOf(design, transport);
      const all = await together<number[]>(blindPuts, { ...reach, times });
      for (const versions of all) {
        expect(versions.length).toBe(times);
        expect(versions.filter((version, i) => version <= (versions[i - 1] ?? 0))).toEqual([]);
      }
      expect(new Set(all.flat()).size).toBe(processes * times);
    });
  }
}

/**
 * Everybody deletes, makes again, and reads the same few keys, whose cursors the others' work makes
 * stale. What one process sees of a key only grows: a value of an earlier life, or one that was
 * overtaken, would fall back.
 */
const lives = `
  const store = await openStore({ codec: "utf8" });
  say("ready");
  heard.once("line", async () => {
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
    for (let i = 0; i < given.times; i += 1) {
      const key = keys[(i + given.id) % keys.length];
      const mine = given.id + " " + i;
      const entry = await store.getEntry(key);
      if (entry !== undefined) see(key, entry.version, entry.value, false);
      const { version } = await store.put(key, mine);
      see(key, version, mine, true);
      const after = await store.getEntry(key);
      if (after !== undefined) see(key, after.version, after.value, false);
      if (await store.delete(key)) found.deletes += 1;
      // The life that this version belonged to is over, whoever ended it.
      try {
        await store.put(key, "of an earlier life", { ifVersion: version });
        found.wrong.push([key, version, "a put on an earlier life"]);
      } catch (error) {
        if (error.code !== "PDPM_CONFLICT") throw error;
        found.conflicts += 1;
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    say({ ...found, seen });
    heard.once("line", leave);
  });
  ${leaving}
`;

interface Lives {
  readonly deletes: number;
  readonly conflicts: number;
  readonly wrong: readonly unknown[];
  /** Key, version, value: written, or read. */
  readonly seen: readonly (readonly [string, number, string])[];
}

for (const design of designs) {
  for (const transport of transports) {
    test(`${design}, ${transport}: keys that are deleted and made again show no stale value, and versions grow across lives`, async () => {
      const times = 50;
      const reach = await reachOf(design, transport);
      const reports = await together<Lives>(lives, { ...reach, times });
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
      expect(deletes).toBeLessThanOrEqual(processes * times);
    });
  }
}
