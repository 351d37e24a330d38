// The options of `npm run simulate`.

import { parseArgs } from "node:util";
import { plants } from "./all-plants.ts";
import { type Design, designs, type Plant } from "./plant.ts";

export const usage = `Usage: npm run simulate -- [options]
  --design NAME      ${designs.join(", ")}; all of them if left out
  --seeds N          how many seeds are run (200; 8,000 with a plant)
  --first-seed N     the first of them (1)
  --minutes N        as many seeds as there is time for, of the designs in turn
  --seed N           this seed alone, with its rounds
  --plan JSON        with --seed: these changes made to what the seed stands for
  --plant NAME       with this planted bug: must fail
  --list-plants      the planted bugs
  --record-plants    finds the first seed that catches each plant (or --plant), and notes it
  --plants-table     writes docs/plants.md from what is noted
  --evidence         runs seeds (2,000) of all designs, and writes docs/evidence.md of what
                     happened in them
  --from FILE        with --evidence: and of what tests noted in that file (PDPM_EVIDENCE=FILE)
  --json             prints JSON lines
  --help             this text`;

/** What is wrong with a command line. */
export class UsageError extends Error {}

/** A command line. */
export interface Options {
  readonly task: "run" | "list" | "record" | "table" | "evidence";
  /** Those that were asked for; else those of the plant, or all. */
  readonly designs: readonly Design[];
  readonly plant: Plant | undefined;
  readonly firstSeed: number;
  readonly seeds: number;
  /** Seeds are run for so long; undefined: that many. */
  readonly minutes: number | undefined;
  /** One seed, with its rounds. */
  readonly isOne: boolean;
  /** To be made to its plan. */
  readonly changes: Readonly<Record<string, unknown>>;
  readonly isJson: boolean;
  /** A file of tests' notes. */
  readonly from: string | undefined;
}

const seedsOfRun = 200;
const seedsOfPlant = 8000;
const seedsOfEvidence = 2000;

const tasks = {
  "list-plants": "list",
  "record-plants": "record",
  "plants-table": "table",
  evidence: "evidence",
} as const;

const known = {
  design: { type: "string" },
  seeds: { type: "string" },
  "first-seed": { type: "string" },
  minutes: { type: "string" },
  seed: { type: "string" },
  plan: { type: "string" },
  plant: { type: "string" },
  "list-plants": { type: "boolean" },
  "record-plants": { type: "boolean" },
  "plants-table": { type: "boolean" },
  evidence: { type: "boolean" },
  from: { type: "string" },
  json: { type: "boolean" },
} as const;

type Values = { readonly [name in keyof typeof known]?: string | boolean };

/** Reads a command line. @throws UsageError */
export function parseOptions(args: readonly string[]): Options {
  const values = valuesIn(args);
  const plant = plantIn(values.plant as string | undefined);
  const isOne = values.seed !== undefined;
  if (isOne && (values.seeds !== undefined || values["first-seed"] !== undefined)) {
    throw new UsageError("--seed is one seed: it goes with neither --seeds nor --first-seed");
  }
  const task = taskIn(values);
  const seeds = number("--seeds", values.seeds, seedsOf(task, plant));
  if (seeds === 0) throw new UsageError("--seeds 0 would prove nothing");
  const { minutes } = values;
  if (minutes !== undefined && (isOne || values.seeds !== undefined || task !== "run")) {
    throw new UsageError("--minutes goes with --design, --plant and --first-seed alone");
  }
  return {
    task,
    designs: designsIn(values.design as string | undefined, plant),
    plant,
    firstSeed: isOne
      ? number("--seed", values.seed, 1)
      : number("--first-seed", values["first-seed"], 1),
    seeds: isOne ? 1 : seeds,
    minutes: minutes === undefined ? undefined : number("--minutes", minutes, 0),
    isOne,
    changes: changesIn(values.plan as string | undefined, isOne),
    isJson: values.json === true,
    from: values.from as string | undefined,
  };
}

function taskIn(values: Values): Options["task"] {
  const asked = (Object.keys(tasks) as (keyof typeof tasks)[]).filter((name) => values[name]);
  if (asked.length > 1) throw new UsageError(`only one of ${asked.map((name) => `--${name}`)}`);
  const task = asked[0] === undefined ? "run" : tasks[asked[0]];
  const { design, plant, seed, from } = values;
  if (task === "evidence" && (design ?? plant ?? seed) !== undefined) {
    throw new UsageError("--evidence is of all designs: it goes with no --design, --plant, --seed");
  }
  if (task !== "evidence" && from !== undefined) throw new UsageError("--from is of --evidence");
  return task;
}

function changesIn(text: string | undefined, isOne: boolean): Options["changes"] {
  if (text === undefined) return {};
  if (!isOne) throw new UsageError("--plan changes what one seed stands for: it goes with --seed");
  let changes: unknown;
  try {
    changes = JSON.parse(text);
  } catch {
    throw new UsageError(`--plan takes a JSON object, not ${text}`);
  }
  if (typeof changes === "object" && changes !== null && !Array.isArray(changes)) {
    return changes as Options["changes"];
  }
  throw new UsageError(`--plan takes a JSON object, not ${text}`);
}

function seedsOf(task: Options["task"], plant: Plant | undefined): number {
  if (task === "evidence") return seedsOfEvidence;
  return plant === undefined ? seedsOfRun : seedsOfPlant;
}

function valuesIn(args: readonly string[]): Values {
  try {
    return parseArgs({ args: [...args], options: known }).values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function plantIn(name: string | undefined): Plant | undefined {
  if (name === undefined) return undefined;
  const plant = plants.find((one) => one.name === name);
  if (plant !== undefined) return plant;
  const names = plants.map((one) => `  ${one.name}`).join("\n");
  throw new UsageError(`no plant is called ${name}; known are:\n${names}`);
}

function designsIn(name: string | undefined, plant: Plant | undefined): readonly Design[] {
  const possible = plant?.designs ?? designs;
  if (name === undefined) return possible;
  const design = possible.find((one) => one === name);
  if (design !== undefined) return [design];
  const what = plant === undefined ? "no design" : `no design with the plant ${plant.name}`;
  throw new UsageError(`${what} is called ${name}; known are: ${possible.join(", ")}`);
}

function number(name: string, text: string | boolean | undefined, byDefault: number): number {
  if (text === undefined) return byDefault;
  const value = Number(text);
  if (typeof text === "string" && /^\d{1,15}$/.test(text)) return value;
  throw new UsageError(`${name} takes a whole number, not ${text}`);
}
