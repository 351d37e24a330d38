// A short bench whose history `check` finds linearizable.

import { join } from "node:path";
import { expect } from "vitest";
import { pdpm } from "../integration/cli-runs.ts";
import type { Scene } from "./processes.ts";

const records = 300;

/** Runs `bench` with three clients, then `check` over what they recorded, the load included. */
export async function expectLinearizable(
  scene: Scene,
  design: string,
  workload: string,
  transport: string,
): Promise<void> {
  const history = join(await scene.directory("memory"), "history");
  const what = ["--design", design, "--workload", workload, "--transport", transport];
  const size = ["--records", `${records}`, "--seconds", "0.5", "--warmup", "0.1"];
  const who = ["--clients", "3", "--in-flight", "3", "--history", history, "--json"];
  const run = await pdpm(scene, ["bench", ...what, ...size, ...who]);
  expect(run.code, run.stderr).toBe(0);
  const row = JSON.parse(run.stdout);
  expect(row).toMatchObject({ design, workload, transport, errors: 0 });
  const check = await pdpm(scene, ["check", history, "--json"]);
  expect(check.code, check.stdout + check.stderr).toBe(0);
  expect(JSON.parse(check.stdout).operations).toBeGreaterThanOrEqual(records + row.operations);
}
