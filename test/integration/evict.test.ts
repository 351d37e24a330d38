// evict ends a process that holds up a store, that one only, and the store goes on.

import { openSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemLibc, thisProcess } from "@pdpm/transport-mapped";
import { evict, fsck, open } from "pdpm";
import { describe, expect, test } from "vitest";
import { startNode, urlOf } from "../support/memory-nodes.ts";
import { Scene } from "../support/processes.ts";
import { untilStill, victim } from "../support/victim.ts";

const scene = new Scene();
const options = {
  design: "direct",
  chunkBytes: 2 ** 22,
  maxBytes: 2 ** 28,
  timeoutMs: 20_000,
} as const;

describe("evict", () => {
  test("a stopped process that locks a key holds up that key alone, until it is evicted", async () => {
    const directory = await scene.directory("memory");
    const child = await victim(scene, directory, options, 2);
    const store = await open(directory, options);
    scene.after(() => store.close({ timeoutMs: 1000 }));
    await store.put("locked", new Uint8Array(500).fill(1));
    child.tell({ key: "locked", bytes: 500, signal: "SIGSTOP" });
    await untilStill(child);
    const late = store.put("locked", new Uint8Array(500).fill(2), { timeoutMs: 300 });
    await expect(late).rejects.toThrow(`PDPM_BUSY: "locked" is locked by client`);
    await expect(late).rejects.toThrow(`pid ${child.pid}`);
    expect((await store.get("locked"))?.[0]).toBe(1);
    await store.put("other", new Uint8Array(500));
    await expect(fsck(directory)).rejects.toThrow(/PDPM_IN_USE/);
    expect(await evict(directory, child.pid)).toEqual({ clients: 2, reaped: 2 });
    expect(await child.end()).toEqual({ code: null, signal: "SIGKILL" });
    // It had not written anything yet: its update never was.
    expect((await store.get("locked"))?.[0]).toBe(1);
    expect((await store.put("locked", new Uint8Array(500).fill(3))).version).toBe(2);
    await store.close();
    expect(readdirSync(join(directory, "leases"))).toEqual([]);
    expect(await fsck(directory)).toMatchObject({ problems: [], heldByDead: 0, keys: 2 });
  });

  test("ends nobody who has not the store open, nor the caller, nor a stranger's process", async () => {
    const directory = await scene.directory("memory");
    const store = await open(directory, options);
    scene.after(() => store.close({ timeoutMs: 1000 }));
    const bystander = scene.start("say('here');");
    await bystander.line();
    await expect(evict(directory, bystander.pid)).rejects.toThrow(
      /PDPM_INVALID_ARGUMENT: no client/,
    );
    await expect(evict(directory, process.pid)).rejects.toThrow(/PDPM_INVALID_ARGUMENT: .*itself/);
    await expect(evict(directory, 1.5)).rejects.toThrow(/PDPM_INVALID_ARGUMENT/);
    await expect(evict(`${directory}/none`, 2)).rejects.toThrow(
      /PDPM_INVALID_ARGUMENT: there is no/,
    );
    // A lease from another pid namespace, where the bystander's pid means somebody else.
    const path = join(directory, "leases", "4711");
    const facts = { ...thisProcess(), pid: bystander.pid, pidNamespace: "pid:[1]" };
    writeFileSync(path, `${JSON.stringify(facts)}\n`);
    expect(systemLibc().tryLock(openSync(path, "r+"), "exclusive")).toBe(true);
    await expect(evict(directory, bystander.pid)).rejects.toThrow(/PDPM_UNSUPPORTED: .*namespace/);
    expect(bystander.isOver).toBe(false);
  });

  test("a mapped client of a memory node is ended, and the others take back what it held", async () => {
    const directory = await scene.directory("memory");
    const node = await startNode(scene, directory);
    const url = urlOf(node.host);
    const child = scene.start("globalThis.store = await openStore(); say('open');", {
      given: { url, options: { ...options, transport: "mapped" } },
    });
    await child.line();
    expect(await evict(directory, child.pid)).toEqual({ clients: 1, reaped: 0 });
    expect(await child.end()).toEqual({ code: null, signal: "SIGKILL" });
  });
});
