// Mapped memory, locks and leases between real processes and worker threads. The children run dist.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { sleep, systemClock } from "@pdpm/base";
import {
  createRegionFile,
  endProcess,
  FileLock,
  isRunning,
  type Judgement,
  LeaseFiles,
  MappedRegion,
} from "@pdpm/transport-mapped";
import { afterEach, beforeEach, expect, test } from "vitest";

const sizeBytes = 2 ** 20;
const counter = 8192;
/** Where the children resolve packages from. */
const root = join(import.meta.dirname, "..", "..", "packages", "transport-mapped");

const prelude = `
  import { systemClock } from "@pdpm/base";
  import { FileLock, LeaseFiles, MappedRegion } from "@pdpm/transport-mapped";
  const [directory] = process.argv.slice(-1);
  const say = (text) => process.stdout.write(text + "\\n");
`;

let directory: string;
let region: MappedRegion;
const children: ChildProcess[] = [];
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "pdpm-processes-"));
  await createRegionFile(directory, sizeBytes);
  region = MappedRegion.open(directory, systemClock);
});
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
  }
  await region.close();
  rmSync(directory, { recursive: true });
});

/** A child and the first line that it wrote. */
interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<unknown[]>;
  readonly line: string;
}

/** Runs a script in a process of its own; resolves when it wrote its first line. */
async function start(script: string): Promise<Started> {
  const arguments_ = ["--input-type=module", "-e", prelude + script, "child", directory];
  const child = spawn(process.execPath, arguments_, {
    cwd: root,
    stdio: ["pipe", "pipe", "inherit"],
  });
  children.push(child);
  const ended = once(child, "exit");
  const [line] = await Promise.race([once(child.stdout as NodeJS.ReadableStream, "data"), ended]);
  return { child, ended, line: String(line).trim() };
}

/** Asks until the answer is no longer "alive", as a lock falls a moment after its holder's end. */
async function untilNotAlive(id: number): Promise<Judgement> {
  const leases = new LeaseFiles(directory);
  for (let tries = 0; tries < 200; tries += 1) {
    const judgement = leases.judge(id);
    if (judgement.state !== "alive") return judgement;
    await sleep(systemClock, 10);
  }
  throw new Error(`lease ${id} is still alive`);
}

function wordAt(offset: number): bigint {
  const bytes = new Uint8Array(8);
  region.read(offset, bytes);
  return new DataView(bytes.buffer).getBigUint64(0, true);
}

test("increments by compare-and-swap of three processes are exact", async () => {
  const times = 150_000;
  const script = `
    const region = MappedRegion.open(directory, systemClock);
    say("ready");
    process.stdin.once("data", async () => {
      for (let done = 0, expected = 0n; done < ${times}; ) {
        const found = region.compareAndSwap(${counter}, expected, expected + 1n);
        if (found === expected) { done += 1; expected += 1n; } else expected = found;
      }
      await region.close();
      process.exit(0);
    });
  `;
  const started = await Promise.all([start(script), start(script), start(script)]);
  for (const { child } of started) child.stdin?.write("go\n");
  for (const { ended } of started) expect(await ended).toEqual([0, null]);
  expect(wordAt(counter)).toBe(BigInt(3 * times));
});

test("a word is never torn, alone or in a larger read, while another process writes", async () => {
  const { child, ended } = await start(`
    const region = MappedRegion.open(directory, systemClock);
    const patterns = [0, 0xff].map((byte) => new Uint8Array(4096).fill(byte));
    say("ready");
    let go = true;
    process.stdin.once("data", () => { go = false; });
    (function turn() {
      for (let i = 0; i < 20000; i += 1) {
        region.write(${counter}, patterns[i & 1]);
        region.write(${counter + 4096}, patterns[i & 1].subarray(0, 8));
      }
      if (go) setImmediate(turn); else process.exit(0);
    })();
  `);
  const torn: bigint[] = [];
  const seen = new Set<bigint>();
  const whole = new Uint8Array(4096);
  const words = new BigUint64Array(whole.buffer);
  for (let i = 0; i < 20_000; i += 1) {
    seen.add(wordAt(counter + 4096));
    region.read(counter, whole);
    for (let w = 0; w < words.length; w += 37) seen.add(words[w] as bigint);
  }
  for (const word of seen) if (word !== 0n && word !== 2n ** 64n - 1n) torn.push(word);
  expect(torn).toEqual([]);
  expect(seen.size).toBe(2);
  child.stdin?.write("stop\n");
  expect(await ended).toEqual([0, null]);
});

test("space that another process adds is seen, also beyond the first window", async () => {
  const { ended } = await start(`
    const region = MappedRegion.open(directory, systemClock);
    await region.extend(${3 * sizeBytes});
    region.write(${3 * sizeBytes - 8}, new Uint8Array(8).fill(9));
    await region.close();
    say("grown");
  `);
  expect(await ended).toEqual([0, null]);
  expect(region.sizeBytes).toBe(3 * sizeBytes);
  expect(wordAt(3 * sizeBytes - 8)).toBe(0x0909090909090909n);
});

test("the lease of a killed process is dead, and its children keep nothing of it", async () => {
  const { child, ended, line } = await start(`
    import { spawn } from "node:child_process";
    const lease = new LeaseFiles(directory).take(11);
    FileLock.take(directory + "/locks/collector", "exclusive");
    const grandchild = spawn("sleep", ["30"], { detached: true, stdio: "ignore" });
    grandchild.unref();
    say(String(grandchild.pid));
    setInterval(() => lease, 1000);
  `);
  const leases = new LeaseFiles(directory);
  expect(leases.judge(11)).toMatchObject({ state: "alive", pid: child.pid });
  expect(() => FileLock.take(join(directory, "locks", "collector"), "exclusive")).toThrow(
    new RegExp(`PDPM_IN_USE.*pid ${child.pid} `),
  );
  child.kill("SIGKILL");
  await ended;
  const judgement = await untilNotAlive(11);
  expect(judgement).toMatchObject({ state: "dead", owner: { pid: child.pid } });
  if (judgement.state === "dead") judgement.grave?.buried();
  expect(leases.scan()).toEqual([]);
  FileLock.take(join(directory, "locks", "collector"), "exclusive").release();
  // The grandchild still runs, and is not needed any more.
  expect(endProcess(Number(line))).toBe(true);
});

test("a stopped process lives until it is ended through its pidfd", async () => {
  const { child, ended } = await start(`
    const lease = new LeaseFiles(directory).take(12);
    say("ready");
    setInterval(() => lease, 1000);
  `);
  child.kill("SIGSTOP");
  const leases = new LeaseFiles(directory);
  const judgement = leases.judge(12);
  expect(judgement).toMatchObject({ state: "alive", pid: child.pid });
  const alive = (): boolean => leases.judge(12).state === "alive";
  expect(endProcess(child.pid as number, alive)).toBe(true);
  expect(await ended).toEqual([null, "SIGKILL"]);
  expect(await untilNotAlive(12)).toMatchObject({ state: "dead" });
  expect(isRunning(child.pid as number)).toBe(false);
});

test("the lease of a terminated worker thread is dead, though its process lives", async () => {
  const code = `
    const { parentPort, workerData } = require("node:worker_threads");
    import(workerData.entry).then(async ({ LeaseFiles, MappedRegion }) => {
      const { systemClock } = await import(workerData.base);
      const lease = new LeaseFiles(workerData.directory).take(13);
      const region = MappedRegion.open(workerData.directory, systemClock);
      // Flushes are in flight whenever the thread is terminated.
      const loop = async () => {
        for (let i = 0; ; i = (i + 4096) % 65536) {
          region.write(65536 + i, new Uint8Array(4096).fill(i));
          await region.flush(65536 + i, 4096);
        }
      };
      for (let i = 0; i < 8; i += 1) loop();
      parentPort.postMessage("ready");
      setInterval(() => lease, 1000);
    });
  `;
  const entry = join(root, "dist", "index.js");
  const base = join(root, "..", "base", "dist", "index.js");
  // Without the test runner's own flags, by which packages would resolve to their sources.
  const options = { eval: true, execArgv: [], workerData: { entry, base, directory } };
  const worker = new Worker(code, options);
  await once(worker, "message");
  expect(new LeaseFiles(directory).judge(13)).toMatchObject({ state: "alive", pid: process.pid });
  await worker.terminate();
  expect(await untilNotAlive(13)).toMatchObject({ state: "dead" });
  region.write(65536, new Uint8Array(8).fill(1));
  await region.flush(65536, 8);
});

test("use after close, with flushes in flight, ends in errors and never in a signal", async () => {
  const { ended } = await start(`
    for (let round = 0; round < 20; round += 1) {
      const region = MappedRegion.open(directory, systemClock, { windowBytes: 65536 });
      const flushes = [];
      for (let at = 4096; at < ${sizeBytes}; at += 65536) {
        region.write(at, new Uint8Array(64).fill(round));
        flushes.push(region.flush(at, 64));
      }
      const closing = region.close();
      const codes = new Set();
      const use = (work) => { try { work(); codes.add("none"); } catch (e) { codes.add(e.code); } };
      for (const moment of [Promise.resolve(), closing]) {
        await moment;
        use(() => region.read(4096, new Uint8Array(64)));
        use(() => region.write(4096, new Uint8Array(64)));
        use(() => region.compareAndSwap(4096, 0n, 1n));
        use(() => region.flush(4096, 64));
        use(() => region.header.load("sizeBytes"));
      }
      await Promise.all(flushes);
      if ([...codes].join() !== "PDPM_CLOSED") process.exit(3);
    }
    say("done");
  `);
  expect(await ended).toEqual([0, null]);
});

test("a closed region and a released lease leave nothing that holds the event loop", async () => {
  const { ended } = await start(`
    const region = MappedRegion.open(directory, systemClock);
    const lease = new LeaseFiles(directory).take(await region.takeClientId(true));
    region.write(4096, new Uint8Array(64));
    await region.flush(4096, 64);
    await region.extend(${2 * sizeBytes});
    await region.flushAll();
    lease.release();
    await region.close();
    say("done");
  `);
  expect(await ended).toEqual([0, null]);
});
