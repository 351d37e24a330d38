// The options that `bench` takes beside those of the store, and what they mean together.

import type { Command } from "commander";
import type { ClientOptions, Eviction } from "pdpm";
import { usageError } from "../failure.ts";
import { bytes, decimal, notYet, oneOf, whole } from "../option-values.ts";
import type { RowSettings } from "./row.ts";
import { formatIdentity, valueBytesMin } from "./values.ts";
import { thetaDefault, type WorkloadName, workloads } from "./workload.ts";

/** Longest value, in bytes. */
const valueBytesMost = 1024 * 1024;
const secondsDefault = 5;

/**
 * Over mapped memory an operation is done when its call returns: more would wait for each other.
 */
export function inFlightDefault(transport: string): number {
  return transport === "mapped" ? 1 : 16;
}

/** What --in-flight says in --help. */
export const inFlightText = "operations that each client keeps running (ws: 16, mapped: 1)";

/** Says what a bench can be asked. */
export function defineBench(command: Command): void {
  const names = Object.keys(workloads);
  command
    .option("--workload <NAME>", names.join("|"), oneOf(...names), "a")
    .option("--records <N>", "records to begin with", whole(1, 1e9), 10_000)
    .option("--operations <N>", "ends after this many, over all clients", whole(1))
    .option("--seconds <N>", `ends after this long (${secondsDefault})`, decimal(0.001))
    .option("--warmup <N>", "seconds of the same before measuring", decimal(0), 1)
    .option("--value-bytes <N>", "size of each value", bytes, 1024)
    .option("--clients <N>", "client processes", whole(1, 256), 2)
    .option("--in-flight <N>", inFlightText, whole(1, 65_536))
    .option("--theta <N>", "skew of zipfian and latest, below 1", decimal(0, 0.9999), thetaDefault)
    .option("--seed <TEXT>", "the same seed, the same keys in the same order", "1")
    .option(
      "--rate <N>",
      "operations per second of all clients (as fast as it goes)",
      decimal(0.01),
    )
    .option("--cursors <N>", "keys whose place a client remembers (1048576)", whole(1))
    .option("--eviction <fifo|lru>", "which it forgets first (fifo)", oneOf("fifo", "lru"))
    .option("--history <FILE>", "record every operation, for `pdpm check`")
    .option("--report <FILE>", "not yet", notYet("--report"))
    .option("--figure <N>", "not yet", notYet("--figure"));
}

/** Reads what `defineBench` defined, but for the design, which the store knows. */
export function benchSettings(
  options: Readonly<Record<string, unknown>>,
  transport: string,
): {
  readonly settings: Omit<RowSettings, "design">;
  readonly seconds: number | undefined;
  readonly operations: number | undefined;
} {
  const workload = options["workload"] as WorkloadName;
  const settings = {
    workload,
    transport,
    distribution: workloads[workload].distribution,
    theta: options["theta"] as number,
    seed: options["seed"] as string,
    records: options["records"] as number,
    valueBytes: options["valueBytes"] as number,
    clients: options["clients"] as number,
    inFlight: (options["inFlight"] as number | undefined) ?? inFlightDefault(transport),
    warmupSeconds: options["warmup"] as number,
    rate: (options["rate"] as number | undefined) ?? null,
  };
  checkValueBytes(settings);
  const operations = options["operations"] as number | undefined;
  const seconds = options["seconds"] as number | undefined;
  const isOpen = operations === undefined && seconds === undefined;
  return { settings, operations, seconds: isOpen ? secondsDefault : seconds };
}

/** What each client is told about its cursors. */
export function cursorSettings({
  cursors,
  eviction,
}: Readonly<Record<string, unknown>>): Pick<ClientOptions, "cursors" | "eviction"> {
  return { cursors: cursors as number | undefined, eviction: eviction as Eviction | undefined };
}

/** Every value begins with who wrote it. @throws a usage error when that does not fit */
export function checkValueBytes({
  valueBytes,
  clients,
}: {
  readonly valueBytes: number;
  readonly clients: number;
}): void {
  // More values than any run writes.
  const longest = { client: clients - 1, sequence: 1e9 };
  const least = valueBytesMin(longest);
  if (valueBytes >= least && valueBytes <= valueBytesMost) return;
  throw usageError(
    `--value-bytes ${valueBytes} must be from ${least} (each value begins with its identity, like ` +
      `${formatIdentity(longest)}) to ${valueBytesMost}`,
  );
}
