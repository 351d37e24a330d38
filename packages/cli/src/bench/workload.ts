// The workloads as data: YCSB's six (Cooper et al., SoCC 2010, table 2) and `replay`, the traffic
// of a training job. What each client does with them is operation-stream.ts.

import type { Distribution } from "./choosers.ts";

/** What a client can be told to do; `rmw` reads a record and writes it back. */
export type OperationName = "read" | "update" | "insert" | "scan" | "rmw" | "append" | "batch";

/** The name of a workload, as on the command line. */
export type WorkloadName = "a" | "b" | "c" | "d" | "e" | "f" | "replay";

/** One workload. */
export interface Workload {
  readonly name: WorkloadName;
  /** One line for people. */
  readonly title: string;
  /** The share of each operation; they add up to 1. */
  readonly mix: Readonly<Partial<Record<OperationName, number>>>;
  readonly distribution: Distribution;
}

/** How many ids one batch of `replay` draws. */
export const batchCountDefault = 32;

/** A scan reads from 1 to this many records, all equally likely. */
export const scanCountMaxDefault = 100;

/** The skew that YCSB calls zipfian. */
export const thetaDefault = 0.99;

/** All workloads by name. */
export const workloads: Readonly<Record<WorkloadName, Workload>> = {
  a: {
    name: "a",
    title: "half reads, half updates",
    mix: { read: 0.5, update: 0.5 },
    distribution: "zipfian",
  },
  b: {
    name: "b",
    title: "95 % reads, 5 % updates",
    mix: { read: 0.95, update: 0.05 },
    distribution: "zipfian",
  },
  c: { name: "c", title: "reads only", mix: { read: 1 }, distribution: "zipfian" },
  d: {
    name: "d",
    title: "95 % reads of the newest records, 5 % inserts",
    mix: { read: 0.95, insert: 0.05 },
    distribution: "latest",
  },
  e: {
    name: "e",
    title: "95 % short scans, 5 % inserts",
    mix: { scan: 0.95, insert: 0.05 },
    distribution: "zipfian",
  },
  f: {
    name: "f",
    title: "half reads, half read-modify-writes",
    mix: { read: 0.5, rmw: 0.5 },
    distribution: "zipfian",
  },
  replay: {
    name: "replay",
    title: "appends to a ring of trajectories, half of the operations draw batches of them",
    mix: { append: 0.5, batch: 0.5 },
    distribution: "uniform",
  },
};

/** Whether `name` is a workload. */
export function isWorkloadName(name: string): name is WorkloadName {
  return Object.hasOwn(workloads, name);
}
