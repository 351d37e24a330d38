// Durability "power" as the kernel sees it: strace shows that no put is acknowledged before a flush
// that began after it was called, and that many puts in flight share their flushes.

import { readFileSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Scene } from "../support/processes.ts";

const scene = new Scene();
const tmpfsMagic = 0x01021994;
const puts = 1000;

/**
 * Puts, each acknowledgement marked by a write(2) of its own. Flushes are made by other threads.
 */
const script = `
  const { writeSync, openSync } = await import("node:fs");
  const store = await openStore({ durability: "power", design: given.design });
  const marks = openSync(given.marks, "a");
  const value = new Uint8Array(1024);
  const { inFlight, isWarm } = given;
  const name = (i) => (isWarm ? "warm " + (i % 100) : "fresh " + i);
  if (isWarm) for (let i = 0; i < 100; i += 1) await store.put(name(i), value);
  // The first of each kind cut chunks and look for space.
  for (let i = 0; i < 5; i += 1) await store.put("first " + i, value);
  writeSync(marks, "MARK begin\\n");
  let next = 0;
  const lane = async () => {
    while (next < given.puts) {
      const i = (next += 1);
      await store.put(name(i), value.fill(i));
      writeSync(marks, "MARK " + i + "\\n");
    }
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  writeSync(marks, "MARK end\\n");
  await store.close();
  say("done");
`;

/** What happened between two marks: how many flushes ended well. */
async function flushesBetweenMarks(given: {
  readonly inFlight: number;
  readonly isWarm: boolean;
  readonly design: "direct" | "clover";
}): Promise<number[]> {
  const directory = await scene.directory("disk");
  expect(statfsSync(directory).type).not.toBe(tmpfsMagic);
  const scratch = await scene.directory("memory");
  const trace = join(scratch, "trace");
  const child = scene.start(script, {
    given: { directory: join(directory, "store"), marks: join(scratch, "marks"), puts, ...given },
    under: ["strace", "-f", "-ttt", "-e", "trace=msync,fdatasync,write", "-o", trace],
    listens: false,
  });
  expect(await child.line(60_000)).toBe("done");
  expect(await child.end()).toEqual({ code: 0, signal: null });
  return countFlushes(readFileSync(trace, "utf8"));
}

/**
 * strace cuts a call that lasts in two: it counts when it ended, and only if it began since a mark.
 */
function countFlushes(trace: string): number[] {
  const counts: number[] = [];
  let isOn = false;
  let flushes = 0;
  const begun = new Set<string>();
  for (const line of trace.split("\n")) {
    const mark = /write\(\d+, "MARK (\w+)/.exec(line)?.[1];
    const thread = line.split(" ")[0] as string;
    if (mark !== undefined) {
      if (isOn) counts.push(flushes);
      if (mark === "begin") isOn = true;
      if (mark === "end") return counts.slice(0, -1);
      flushes = 0;
      begun.clear();
    } else if (/ (msync|fdatasync)\(/.test(line)) {
      if (/ = 0$/.test(line)) flushes += 1;
      else begun.add(thread);
    } else if (/<\.\.\. (msync|fdatasync) resumed>.* = 0$/.test(line)) {
      if (begun.delete(thread)) flushes += 1;
    }
  }
  throw new Error("the trace has no end mark");
}

const cases = [
  { design: "direct", isWarm: true },
  { design: "direct", isWarm: false },
  { design: "clover", isWarm: true },
  { design: "clover", isWarm: false },
] as const;

for (const { design, isWarm } of cases) {
  const what = `${isWarm ? "an update" : "an insert"} of ${design}`;
  test(`${what} on a disk is acknowledged after a flush; 32 in flight need an eighth as many`, async () => {
    const alone = await flushesBetweenMarks({ inFlight: 1, isWarm, design });
    expect(alone.length).toBe(puts);
    expect(Math.min(...alone)).toBeGreaterThanOrEqual(1);
    const shared = await flushesBetweenMarks({ inFlight: 32, isWarm, design });
    expect(shared.length).toBe(puts);
    const [many, few] = [sum(alone), sum(shared)];
    console.log(`${puts} times ${what}: ${many} flushes one by one, ${few} with 32 in flight`);
    expect(few).toBeGreaterThan(0);
    expect(few).toBeLessThanOrEqual(many / 8);
  });
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}
