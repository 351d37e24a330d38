// The process that hosts the coordinator of an embedded Central store: when it is stopped, whoever
// waits for it learns its pid at the deadline, and evict lets the others go on; and it is found by
// the store's directory alone.

import { existsSync, mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { evict, open, type PdpmError } from "pdpm";
import { expect, test } from "vitest";
import { type Child, type ChildOptions, Scene } from "../support/processes.ts";
import { untilStill } from "../support/victim.ts";

const scene = new Scene();
const options = { design: "central", codec: "utf8", chunkBytes: 2 ** 22 } as const;

/** A process that comes first to the store in `directory`, hence hosts its coordinator. */
async function host(directory: string, under: Pick<ChildOptions, "under"> = {}): Promise<Child> {
  const child = scene.start(
    `
    const store = await openStore();
    await store.put("key", "first");
    say("open");
    heard.on("line", async () => {
      await store.close();
      process.exit(0);
    });
    `,
    { given: { directory, options }, ...under },
  );
  await child.line();
  return child;
}

/** How `work`, which has `timeoutMs`, ends while the host is stopped. */
async function expectNamed(child: Child, timeoutMs: number, work: () => Promise<unknown>) {
  const start = performance.now();
  const error = await work().then(
    () => expect.fail("it did not fail"),
    (failure: PdpmError) => failure,
  );
  expect(performance.now() - start).toBeLessThan(timeoutMs + 700);
  expect(error).toMatchObject({ code: "PDPM_BUSY", action: "retry" });
  expect(error.message).toContain(`pid ${child.pid} `);
  return error;
}

test("who waits for a stopped host learns its pid at the deadline, and goes on once it is evicted", async () => {
  const directory = await scene.directory("memory");
  const child = await host(directory);
  const store = await open(directory, options);
  scene.after(() => store.close({ timeoutMs: 1000 }));
  expect(await store.get("key")).toBe("first");
  child.signal("SIGSTOP");
  await untilStill(child);
  await expectNamed(child, 300, () => store.get("key", { timeoutMs: 300 }));
  const put = await expectNamed(child, 300, () => store.put("new", "x", { timeoutMs: 300 }));
  // The request is in the host's hands: had it gone on, it would have been carried out.
  expect(put.outcome).toBe("unknown");
  const late = await expectNamed(child, 200, () => open(directory, { ...options, timeoutMs: 200 }));
  expect(late.outcome).toBe("not-applied");
  // Longer than one attempt to connect.
  await expectNamed(child, 1500, () => open(directory, { ...options, timeoutMs: 1500 }));
  expect(await evict(directory, child.pid)).toEqual({ clients: 1, reaped: 1 });
  expect(await child.end()).toEqual({ code: null, signal: "SIGKILL" });
  expect(await store.get("key")).toBe("first");
  await store.put("key", "second");
  const another = await open(directory, options);
  scene.after(() => another.close({ timeoutMs: 1000 }));
  expect(await another.get("key")).toBe("second");
});

test("a host is found by a long path too, whatever TMPDIR says", async () => {
  const top = await scene.directory("memory");
  const directory = join(top, "d".repeat(100));
  const elsewhere = join(top, "elsewhere");
  for (const path of [directory, elsewhere]) mkdirSync(path);
  const child = await host(directory, { under: ["env", `TMPDIR=${elsewhere}`] });
  expect(tmpdir()).not.toBe(elsewhere);
  const store = await open(directory, { ...options, timeoutMs: 5000 });
  scene.after(() => store.close({ timeoutMs: 1000 }));
  expect(await store.get("key")).toBe("first");
  await store.put("key", "second");
  child.tell("close");
  expect(await child.end()).toEqual({ code: 0, signal: null });
  // It hosts now, in the same place.
  expect(await store.get("key")).toBe("second");
  expect(existsSync(join(directory, "coordinator.sock"))).toBe(true);
  await store.close();
  expect(existsSync(join(directory, "coordinator.sock"))).toBe(false);
});
