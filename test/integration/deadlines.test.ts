// A client that is stopped while it holds a lock: the others are told whom they wait for at their
// own deadlines and aborts, everything else goes on, and once it goes on, so does everybody.

import { auditStore } from "@pdpm/direct";
import { open, type PdpmError, type Store } from "pdpm";
import { expect, test } from "vitest";
import type { DirectClient } from "../../packages/client/src/direct-client.ts";
import { openEmbedded } from "../../packages/client/src/open.ts";
import { clientOptions } from "../../packages/client/src/options.ts";
import { type Child, Scene } from "../support/processes.ts";

const scene = new Scene();
const valueBytes = 2 ** 20;
const triesMost = 300;

/** Says its client id, then puts large values to one key without end. */
const holder = `
  const store = await openStore({ timeoutMs: 60_000 });
  const value = new Uint8Array(given.valueBytes);
  await store.put("held", value);
  say((await store.stats()).clientId);
  let isOn = true;
  heard.once("line", () => { isOn = false; });
  let puts = 0;
  while (isOn) {
    for (let i = 0; i < 20; i += 1) await store.put("held", value.fill(puts += 1));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await store.close();
  say({ puts });
  process.exit(0);
`;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** How a client that waits ended, and when. */
async function timed(work: Promise<unknown>): Promise<{ error: PdpmError; ms: number }> {
  const start = performance.now();
  const error = await work.then(
    () => expect.fail("it did not fail"),
    (failure: PdpmError) => failure,
  );
  return { error, ms: performance.now() - start };
}

/**
 * A directory, a client of it here, and a process that is stopped and holds the slot lock of
 * "held".
 */
async function stoppedHolder(): Promise<{ store: Store<Uint8Array>; child: Child; tries: number }> {
  const directory = await scene.directory("memory");
  const options = {
    design: "direct",
    durability: "process",
    maxBytes: 2 ** 27,
    chunkBytes: 2 ** 23,
  } as const;
  const auditor = (await openEmbedded(directory, clientOptions(options, "open"))) as DirectClient;
  scene.after(() => auditor.backend.close(1000));
  const store = await open(directory);
  scene.after(() => store.close({ timeoutMs: 1000 }));
  await store.put("other", new Uint8Array(10));
  const child = scene.start(holder, { given: { directory, valueBytes } });
  const id = await child.line<number>();
  for (let tries = 1; tries <= triesMost; tries += 1) {
    await pause(5 + Math.random() * 20);
    child.signal("SIGSTOP");
    await pause(5);
    const { held } = await auditor.backend.run("audit", auditStore, {});
    // A cell that a bucket names: the slot of "held", and not one on its way.
    const isHeld = [...held.values()].some(
      ({ owner, entry }) => owner === id && entry !== undefined,
    );
    if (isHeld) return { store, child, tries };
    child.signal("SIGCONT");
  }
  throw new Error(`the process was stopped ${triesMost} times and never held its lock`);
}

test("who waits for a stopped client learns its pid at the deadline, and all else goes on", async () => {
  const { store, child, tries } = await stoppedHolder();
  console.log(`stopped ${tries} times until it held its lock`);
  const value = new Uint8Array(100).fill(7);
  for (const work of [
    () => store.put("held", value, { timeoutMs: 300 }),
    () => store.delete("held", { timeoutMs: 300 }),
    () => store.put("held", value, { timeoutMs: 300, ifVersion: 1 }),
  ]) {
    const { error, ms } = await timed(work());
    expect(error).toMatchObject({ code: "PDPM_BUSY", action: "retry", outcome: "not-applied" });
    expect(error.message).toContain(`pid ${child.pid}`);
    expect(ms).toBeGreaterThan(250);
    expect(ms).toBeLessThan(1000);
  }
  // It reads first; bytes that a stopped writer left torn name the writer, too.
  const update = await timed(store.update("held", () => value, { timeoutMs: 300 }));
  expect(update.error).toMatchObject({ code: "PDPM_BUSY", outcome: "not-applied" });
  expect(update.error.message).toContain(`pid ${child.pid}`);
  expect(update.ms).toBeLessThan(1000);
  // Side by side with one that waits.
  const waiting = timed(store.put("held", value, { timeoutMs: 300 }));
  for (let i = 0; i < 200; i += 1) {
    await store.put(`free ${i}`, value, { timeoutMs: 300 });
    expect(await store.get(`free ${i}`, { timeoutMs: 300 })).toEqual(value);
  }
  expect(await store.delete("other", { timeoutMs: 300 })).toBe(true);
  expect((await waiting).error.code).toBe("PDPM_BUSY");
  child.signal("SIGCONT");
  child.tell("stop");
  expect((await child.line<{ puts: number }>()).puts).toBeGreaterThan(0);
  expect(await child.end()).toEqual({ code: 0, signal: null });
  const found = await store.get("held");
  expect(found?.length).toBe(valueBytes);
  expect(new Set(found).size).toBe(1);
  await store.put("held", value);
  expect(await store.get("held")).toEqual(value);
  expect(store.counters().events["recoveries"]).toBe(0);
});

test("an abort ends a blocked write at once, with nothing applied, and later ones are served", async () => {
  const { store, child } = await stoppedHolder();
  const value = new Uint8Array(100).fill(9);
  for (const work of [
    (signal: AbortSignal) => store.put("held", value, { signal }),
    (signal: AbortSignal) => store.delete("held", { signal }),
    (signal: AbortSignal) => store.update("held", () => value, { signal }),
  ]) {
    const controller = new AbortController();
    const ended = timed(work(controller.signal));
    await pause(60);
    const at = performance.now();
    controller.abort();
    expect((await ended).error).toMatchObject({ code: "PDPM_ABORTED", outcome: "not-applied" });
    expect(performance.now() - at).toBeLessThan(150);
  }
  // One that stays is served as soon as the lock is free.
  const staying = store.put("held", value, { timeoutMs: 20_000 });
  await pause(50);
  child.tell("stop");
  child.signal("SIGCONT");
  await staying;
  expect(await child.end()).toEqual({ code: 0, signal: null });
  await store.put("held", value);
  expect(await store.get("held")).toEqual(value);
});
