import { test } from "vitest";
import { World } from "./direct-world.ts";

test("run", () => {
  const first = Number(process.env["PDPM_SEED"] ?? 1);
  const count = Number(process.env["PDPM_SEEDS"] ?? 200);
  const t = performance.now();
  let steps = 0;
  let failed = 0;
  const kinds = new Map<string, number[]>();
  for (let seed = first; seed < first + count; seed += 1) {
    const world = new World(seed, count === 1);
    try {
      world.run();
    } catch (error) {
      failed += 1;
      if (count === 1) console.log(world.interleaver.trace?.lines.join("\n"));
      if (count === 1) console.log(error);
      const text = String((error as Error).message)
        .split("\n")[0]!
        .replace(/\d+/g, "N")
        .slice(0, 150);
      kinds.set(text, [...(kinds.get(text) ?? []), seed]);
    }
    steps += world.interleaver.steps;
  }
  const ms = performance.now() - t;
  for (const [k, v] of kinds) console.log(v.length, k, v.slice(0, 6).join(" "));
  console.log(
    `${count} seeds ${failed} failed, ${(ms / count).toFixed(1)} ms per seed, ${steps / count} steps, ${((steps / ms) * 1000).toFixed(0)} steps/s`,
  );
});
