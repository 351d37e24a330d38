// What `npm run simulate` prints of a run of seeds.

import type { Design, Plant } from "./plant.ts";
import type { FailedSeed, SeedsRun } from "./run-seeds.ts";

/** A run of seeds of one design. */
export interface DesignRun extends SeedsRun {
  readonly design: Design;
  readonly firstSeed: number;
  readonly plant: Plant | undefined;
  readonly ms: number;
  /** Of a failed seed with a plant: what it does without. Undefined: it was not run. */
  readonly withoutPlant: "passes" | "fails" | undefined;
  /** The rounds of the failed seed. */
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
    lines.push(...run.rounds, "", ...failedLines(design, failed, plant));
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

function failedLines(design: Design, failed: FailedSeed, plant: Plant | undefined): string[] {
  const { seed, invariant, message, isCatch, plan } = failed;
  const named = plant === undefined ? "" : ` --plant ${plant.name}`;
  return [
    `seed         ${seed} of ${design}`,
    ...(plant === undefined ? [] : [`plant        ${plant.name} (${plant.hazard}): ${plant.why}`]),
    `options      ${JSON.stringify(plan)}`,
    `invariant    ${invariant}${isCatch ? "" : " (the simulation itself broke)"}`,
    `found        ${message.replaceAll("\n", `\n${" ".repeat(13)}`)}`,
    `replay       npm run simulate -- --design ${design}${named} --seed ${seed}`,
  ];
}

function rateOf({ seeds, ms }: DesignRun): number {
  return Math.round((seeds / Math.max(1, ms)) * 10_000) / 10;
}
