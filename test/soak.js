// `npm run soak`: what takes longer than CI has. With --minutes: seeds of the simulated stores, on
// every core; each run from seeds that no run had, and says which. Without: the tests of killed
// processes, of increments and versions, and of every death, with long counts.

import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const usage = `Usage: npm run soak -- [options]
  --minutes N        simulated seeds of all designs for N minutes, a process a core
  --first-seed N     with --minutes: where the first process begins (by the clock)
  --kills N          without --minutes: processes killed in each test (20)
  --help             this text`;
/** Seeds between the first ones of two processes: more than one of them runs. */
const seedsApart = 100_000_000;

/** A whole number. @throws Error naming the option */
function number(name, text, byDefault) {
  if (text === undefined) return byDefault;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new Error(`--${name} takes a whole number, not ${text}`);
}

/** Runs a command in the top folder. Resolves with its exit code. */
function run(command, args, env = {}) {
  const cwd = fileURLToPath(new URL("..", import.meta.url));
  const child = spawn(command, args, { cwd, stdio: "inherit", env: { ...process.env, ...env } });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code) => resolve(code ?? 1));
  });
}

function simulate(minutes, firstSeed) {
  const program = fileURLToPath(new URL("simulation/plants/simulate.js", import.meta.url));
  const runs = Array.from({ length: availableParallelism() }, (_, i) => {
    const first = String(firstSeed + i * seedsApart);
    return run(process.execPath, [program, "--minutes", String(minutes), "--first-seed", first]);
  });
  return Promise.all(runs);
}

function test(kills) {
  const which = ["kills", "increments", "versions", "deaths"];
  const projects = ["crash", "long", "soak"].flatMap((name) => ["--project", name]);
  const args = ["vitest", "run", ...projects, "--testTimeout", "1200000", ...which];
  const env = { PDPM_KILLS: String(kills), PDPM_INCREMENTS: "100000", PDPM_PUTS: "1200" };
  return Promise.all([run("npx", args, env)]);
}

function perform() {
  const options = { minutes: "string", "first-seed": "string", kills: "string", help: "boolean" };
  const named = Object.entries(options).map(([name, type]) => [name, { type }]);
  const { values } = parseArgs({ options: Object.fromEntries(named) });
  if (values.help) {
    console.log(usage);
    return [0];
  }
  const byClock = Math.floor(Date.now() / 1000) * 1000;
  const firstSeed = number("first-seed", values["first-seed"], byClock);
  if (values.minutes === undefined) {
    if (values["first-seed"] !== undefined) throw new Error("--first-seed goes with --minutes");
    return test(number("kills", values.kills, 20));
  }
  if (values.kills !== undefined) throw new Error("--kills goes without --minutes");
  return simulate(number("minutes", values.minutes), firstSeed);
}

try {
  process.exitCode = Math.max(...(await perform()));
} catch (error) {
  console.error(`${error.message}\n\n${usage}`);
  process.exitCode = 2;
}
