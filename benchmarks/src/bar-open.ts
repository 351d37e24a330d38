// Opening a store of many entries, in a fresh process each time: from the call of open() until it
// has resolved. This file is also that process: run as a program it opens DIR, gets KEY, and says
// how long.

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { systemClock } from "@pdpm/base";
import { open } from "pdpm";
import { type Result, resultOf } from "./bar.ts";
import { keyOf, type Scale, timeoutMs } from "./bar-scale.ts";
import { inFolder } from "./machine.ts";

const self = fileURLToPath(import.meta.url);
const entryBytes = 16;
/** Keys written side by side. */
const batch = 10_000;

/** See the head of this file. */
export function openLarge(scale: Scale): Promise<Result[]> {
  const { entries } = scale;
  return inFolder(entries * 600, async (dir, where) => {
    const store = await open(dir, { design: "direct", timeoutMs });
    const value = Buffer.alloc(entryBytes, 7);
    for (let nth = 0; nth < entries; nth += batch) {
      const count = Math.min(batch, entries - nth);
      const keys = Array.from({ length: count }, (_, i) => keyOf(nth + i));
      await store.putMany(keys.map((key) => [key, value] as const));
    }
    await store.close();
    const times: { openMs: number; firstGetMs: number }[] = [];
    for (let run = 0; run < scale.runs; run += 1) {
      const key = keyOf(Math.floor((entries * run) / scale.runs));
      const { stdout } = await promisify(execFile)(process.execPath, [self, dir, key]);
      times.push(JSON.parse(stdout));
    }
    const firstGet = Math.max(...times.map(({ firstGetMs }) => firstGetMs)).toFixed(1);
    return [
      resultOf(
        times.map(({ openMs }) => openMs),
        {
          name: `opening a Direct store of ${entries.toLocaleString("en-US")} entries`,
          unit: "ms",
          bar: 1000,
          is: "at most",
          detail: `values of ${entryBytes} bytes, ${where}; the first get takes ${firstGet} ms at most`,
        },
      ),
    ];
  });
}

async function measureOpen(dir: string, key: string): Promise<void> {
  const startMs = systemClock.now();
  const store = await open(dir);
  const openMs = systemClock.now() - startMs;
  const value = await store.get(key);
  const firstGetMs = systemClock.now() - startMs - openMs;
  if (value === undefined) throw new Error(`${key} is missing`);
  await store.close();
  console.log(JSON.stringify({ openMs, firstGetMs }));
}

if (process.argv[1] === self) await measureOpen(process.argv[2] ?? "", process.argv[3] ?? "");
