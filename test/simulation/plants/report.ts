// What `npm run simulate` prints of a run of seeds.

import type { Design, Plant } from "./plant.ts";
import type { FailedSeed, SeedsRun } from "./run-seeds.ts";
import type { Shrunk } from "./shrink.ts";

/** A run of seeds of one design. */
export interface DesignRun extends SeedsRun {
  readonly design: Design;
  readonly firstSeed: number;
  readonly plant: Plant | undefined;
  /** Made to the plan of the one seed that was asked for. */
  readonly changes: object;
  readonly ms: number;
  /** Of a failed seed with a plant: what it does without. Undefined: it was not run. */
  readonly withoutPlant: "passes" | "fails" | undefined;
  /** How the failed seed was made smaller; undefined when it was to be shown as it is. */
  readonly shrunk: Shrunk | undefined;
  /** The rounds of the failed seed, shrunk if it was. */
  readonly rounds: readonly string[];
}

/** As one line of JSON. */
export function runJson(run: DesignRun): string {
  const { plant, failed, ...rest } = run;
  const { plan, ...verdict } = failed ?? {};
  const rate = rateOf(run);
  return JSON.stringify({
    ...rest,
    plant: plant?.name ?? null,
    hazard: plant?.hazard ?? null,
    failed: failed === undefined ? null : { ...verdict, plan },
    seedsPerSecond: rate,
  });
}

/** For people. */
export function runText(run: DesignRun): string {
  const { design, firstSeed, seeds, steps, failed, plant, withoutPlant } = run;
  const lines: string[] = [];
  if (failed !== undefined) {
    lines.push(...run.rounds, "", ...failedLines(run, failed));
    if (withoutPlant !== undefined) lines.push(`without it   the same seed ${withoutPlant}`);
    lines.push("");
  }
  const last = firstSeed + seeds - 1;
  const which = seeds === 1 ? `seed ${last}` : `seeds ${firstSeed} to ${last}`;
  const what = plant === undefined ? design : `${design} with ${plant.name}`;
  const result = failed === undefined ? "passed" : `seed ${failed.seed} failed`;
  lines.push(`${what}: ${which}: ${result} (${steps} micro-steps, ${rateOf(run)} seeds/s)`);
  if (plant !== undefined && failed === undefined) lines.push(`${plant.name} escaped`);
  return lines.join("\n");
}

function failedLines(run: DesignRun, failed: FailedSeed): string[] {
  const { design, plant, shrunk } = run;
  const { seed, invariant, message, isCatch, plan } = failed;
  const named = plant === undefined ? "" : ` --plant ${plant.name}`;
  return [
    `seed         ${seed} of ${design}`,
    ...(plant === undefined ? [] : [`plant        ${plant.name} (${plant.hazard}): ${plant.why}`]),
    `options      ${JSON.stringify(plan)}`,
    `invariant    ${invariant}${isCatch ? "" : " (the simulation itself broke)"}`,
    `found        ${message.replaceAll("\n", `\n${" ".repeat(13)}`)}`,
    ...(shrunk === undefined ? [] : [shrunkText(shrunk)]),
    `replay       npm run simulate -- --design ${design}${named} --seed ${seed}` +
      planText(shrunk?.changes ?? run.changes),
  ];
}

function rateOf({ seeds, ms }: DesignRun): number {
  return Math.round((seeds / Math.max(1, ms)) * 10_000) / 10;
}

function shrunkText({ changes, runs }: Shrunk): string {
  const count = Object.keys(changes).length;
  const what = count === 0 ? "it could not be made smaller" : `${count} of its options are smaller`;
  return `shrunk       ${what}, after ${runs} tries; the rounds are of that`;
}

function planText(changes: object): string {
  return Object.keys(changes).length === 0 ? "" : ` --plan '${JSON.stringify(changes)}'`;
}
