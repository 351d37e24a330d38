// A process that stops or dies in the middle of an update, with the key's slot locked.

import { readFileSync } from "node:fs";
import type { ClientOptions } from "pdpm";
import { type Child, type Scene, within } from "./processes.ts";

/** A child that has the store open `count` times, and can be made to stop inside an update. */
export async function victim(
  scene: Scene,
  directory: string,
  options: ClientOptions,
  count = 1,
): Promise<Child> {
  const child = scene.start(
    `
    const { MappedRegion } = await import("@pdpm/transport-mapped");
    const stores = [];
    for (let i = 0; i < given.count; i += 1) stores.push(await openStore());
    heard.on("line", async (line) => {
      const { key, bytes, signal } = JSON.parse(line);
      const write = MappedRegion.prototype.write;
      MappedRegion.prototype.write = function (offset, data) {
        // The first write of an update is its uncommitted copy: the slot is locked by then.
        if (data.length > bytes) {
          MappedRegion.prototype.write = write;
          process.kill(process.pid, signal);
        }
        write.call(this, offset, data);
      };
      say((await stores[0].put(key, new Uint8Array(bytes).fill(7))).version);
    });
    say("open");
    `,
    { given: { directory, options, count } },
  );
  await child.line();
  return child;
}

/** Waits until a process is stopped, or gone. */
export async function untilStill({ pid }: Child): Promise<void> {
  const state = (): string | undefined => /^State:\s+(\w)/m.exec(status())?.[1];
  const status = (): string => {
    try {
      return readFileSync(`/proc/${pid}/status`, "utf8");
    } catch {
      return "";
    }
  };
  await within(10_000, "a signal", async () => {
    while (!["T", "Z", undefined].includes(state())) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  });
}
