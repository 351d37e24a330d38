// The command `pdpm`: finds the verb, loads the one module that knows it, and turns what happened
// into an exit code.
//
// What must hold:
// - A `get` answers within 200 ms of the process's start: this file imports commander and nothing
//   that knows a store; a verb's module is loaded on use.
// - Data goes to stdout, everything else to stderr. A failure is one line there (one JSON object
//   with --json), and the exit code says its kind.
// - The process ends by itself when its work is done: nothing here calls process.exit.

import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { guardOutput } from "./output.ts";
import type { Verb } from "./verb.ts";

const verbs: Readonly<Record<string, [line: string, load: () => Promise<{ verb: Verb }>]>> = {
  up: ["Start a local cluster", () => import("./commands/up.ts")],
  "memory-node": ["Serve a memory node", () => import("./commands/memory-node.ts")],
  "metadata-server": ["Serve a metadata server", () => import("./commands/metadata-server.ts")],
  coordinator: ["Serve Central's coordinator", () => import("./commands/coordinator.ts")],
  "get <KEY>": ["Print the value of a key", () => import("./commands/get.ts")],
  "put <KEY> [VALUE]": ["Write a value, given or from stdin", () => import("./commands/put.ts")],
  "delete <KEY>": ["Delete a key", () => import("./commands/delete.ts")],
  keys: ["List the keys", () => import("./commands/keys.ts")],
  stats: ["Show counts and space of a store", () => import("./commands/stats.ts")],
  bench: ["Run a YCSB workload", () => import("./commands/bench.ts")],
  compare: ["Run the designs side by side", () => import("./commands/compare.ts")],
  "check <HISTORY>": ["Check that a history is linearizable", () => import("./commands/check.ts")],
  "fsck <DIR>": ["Check a store's bytes, and repair them", () => import("./commands/fsck.ts")],
  "evict <PID>": ["End a process that holds up a store", () => import("./commands/evict.ts")],
};

/** What the bench starts for itself; not shown. */
const hiddenVerbs: typeof verbs = {
  "bench-client": ["Run one client of a bench", () => import("./commands/bench-client.ts")],
};

const examples = `
Examples:
  $ pdpm put greeting hello --dir ./data
  $ pdpm get greeting --dir ./data
  $ pdpm up --port 7400                    # prints its URL; then, elsewhere:
  $ pdpm get greeting --url pdpm://127.0.0.1:7400
  $ pdpm compare                           # every design, real processes, one table

A store is named by --dir, --url or PDPM_URL. \`pdpm VERB --help\` has more.
Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 conflict, 5 unavailable or timed out,
6 integrity`;

function version(): string {
  const manifest = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  return (JSON.parse(manifest) as { version: string }).version;
}

/** Adds a verb; only one that the command line names is loaded, for its options and its work. */
async function addVerb(
  program: Command,
  [usage, [line, load]]: readonly [string, (typeof verbs)[string]],
  named: ReadonlySet<string>,
  hidden: boolean,
): Promise<void> {
  const command = program.command(usage, { hidden }).description(line);
  if (!named.has(command.name())) return;
  const { verb } = await load();
  command.option("--json", "print JSON; errors too, on stderr");
  verb.define(command);
  if (verb.examples !== "") command.addHelpText("after", `\nExamples:\n${verb.examples}`);
  command.action(async () => {
    process.exitCode = await verb.run({ args: command.args, options: command.opts() });
  });
}

async function programFor(words: readonly string[]): Promise<Command> {
  const program = new Command("pdpm")
    .description("A passive disaggregated persistent-memory key-value store.")
    .version(version(), "-V, --version", "print the version")
    .helpOption("-h, --help", "show help")
    .addHelpText("after", examples)
    .exitOverride()
    .configureOutput({ outputError: () => undefined });
  const named = new Set(words.filter((word) => !word.startsWith("-")).slice(0, 2));
  for (const entry of Object.entries(verbs)) await addVerb(program, entry, named, false);
  for (const entry of Object.entries(hiddenVerbs)) await addVerb(program, entry, named, true);
  return program;
}

async function main(words: readonly string[]): Promise<void> {
  guardOutput();
  try {
    await (await programFor(words)).parseAsync([...words], { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError && error.code.startsWith("commander.help")) {
      process.exitCode = words.length === 0 ? 2 : error.exitCode;
      return;
    }
    if (error instanceof CommanderError && error.exitCode === 0) return;
    const { reportFailure } = await import("./failure.ts");
    process.exitCode = reportFailure(error, words);
  }
}

await main(process.argv.slice(2));
