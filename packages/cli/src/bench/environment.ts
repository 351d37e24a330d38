// The machine that numbers belong to.

import { availableParallelism, cpus, release, totalmem } from "node:os";
import { wallClockText } from "@pdpm/base";

/** Printed with every result. */
export interface Environment {
  readonly node: string;
  readonly kernel: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  /** When, by the wall clock. */
  readonly at: string;
}

/** This machine, now. */
export function environmentNow(): Environment {
  return {
    node: process.version,
    kernel: `Linux ${release()}`,
    cpu: cpus()[0]?.model.trim() || "unknown",
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    at: wallClockText(),
  };
}

/** In one line. */
export function environmentLine({ node, kernel, cpu, cores, memoryBytes }: Environment): string {
  const memory = `${Math.round(memoryBytes / 2 ** 30)} GiB`;
  return `Node ${node}, ${kernel}, ${cores} cores (${cpu}), ${memory} of memory`;
}
