// A target and its client processes, from their start to their end: what `bench` and `compare` have
// in common. Whatever happens, an interrupt included, nothing of it stays behind.

import { join } from "node:path";
import { hostNanoseconds } from "@pdpm/base";
import { TemporaryFolder } from "../temporary-folder.ts";
import { Fleet, type ProcessCost } from "./fleet.ts";
import { writeHistory } from "./history-file.ts";
import type { RowSettings } from "./row.ts";
import type { Target } from "./target.ts";

/** What is lent to the work of a session. */
export interface Session {
  readonly fleet: Fleet;
  readonly target: Target;
  /** Ends the clients. @returns all processes with their CPU time */
  finish(): Promise<ProcessCost[]>;
  /** Makes one history file of what the clients recorded, after `finish`. */
  keepHistory(path: string, about: Readonly<Record<string, unknown>>): Promise<HistoryCounts>;
}

/** What a history holds. */
export interface HistoryCounts {
  readonly operations: number;
  readonly unknown: number;
}

/** How a session is run. */
export interface SessionOptions {
  readonly settings: Pick<RowSettings, "clients" | "records" | "valueBytes" | "theta" | "seed">;
  /** Whether every operation is recorded. */
  readonly records: boolean;
  readonly signal: AbortSignal;
}

/** Starts clients for `target`, lends both to `work`, and ends everything. */
export async function withSession<T>(
  target: Target,
  options: SessionOptions,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const { settings, signal } = options;
  const logs = options.records ? await TemporaryFolder.make("history") : undefined;
  const fleet = new Fleet(settings.clients);
  const stop = (): void => void fleet.stop(); // Never rejects.
  signal.addEventListener("abort", stop);
  const logOf = (client: number): string => join(logs?.path ?? "", `client-${client}.jsonl`);
  const epoch = hostNanoseconds();
  try {
    signal.throwIfAborted();
    await fleet.all("begin", (client) => ({
      client,
      clientCount: settings.clients,
      recordCount: settings.records,
      valueBytes: settings.valueBytes,
      theta: settings.theta,
      seed: settings.seed,
      epoch,
      historyPath: logs === undefined ? undefined : logOf(client),
    }));
    return await work({
      fleet,
      target,
      finish: async () => [...(await fleet.end()), ...(await serversOf(target))],
      keepHistory: (path, about) => {
        const paths = Array.from({ length: settings.clients }, (_, client) => logOf(client));
        return writeHistory(path, about, paths);
      },
    });
  } finally {
    signal.removeEventListener("abort", stop);
    await fleet.stop();
    await logs?.remove();
    await target.end();
  }
}

async function serversOf(target: Target): Promise<ProcessCost[]> {
  const { nodes, server } = await target.stats();
  const costs: ProcessCost[] = nodes.map(({ pid, cpuSeconds }) => {
    return { role: "memory-node", pid, cpuSeconds };
  });
  if (server === null) return costs;
  const { role, pid, cpuSeconds } = server;
  return [...costs, { role, pid, cpuSeconds }];
}
