// What the bench and its client processes say to each other: one step at a time is asked of a
// client, and it answers each. Plain data only; it crosses an IPC channel.

import type { BackendCounters, SpaceStats, Supports } from "@pdpm/kv";
import type { ClientOptions } from "pdpm";
import type { TallyData } from "./tally.ts";
import type { WorkloadName } from "./workload.ts";

/** What stays the same over a client's whole life. */
export interface ClientRole {
  /** Index of this client, from 0 to `clientCount` - 1. */
  readonly client: number;
  readonly clientCount: number;
  readonly recordCount: number;
  readonly valueBytes: number;
  readonly theta: number;
  readonly seed: string;
  /** The run's start on the host's monotonic clock, nanoseconds. */
  readonly epoch: bigint;
  /** Where this client writes its history; undefined for none. */
  readonly historyPath: string | undefined;
}

/** A share of a workload. It ends when the first of its limits is reached. */
export interface WorkOrder {
  readonly workload: WorkloadName;
  readonly inFlight: number;
  readonly seconds: number | undefined;
  /** Of this client. */
  readonly operations: number | undefined;
  /** Arrivals per second at this client; undefined: the next one comes when one has ended. */
  readonly rate: number | undefined;
}

/** What came of it. */
export interface WorkReport {
  readonly tally: TallyData;
  /** Nanoseconds since the epoch. */
  readonly start: number;
  readonly end: number;
  readonly cpuSeconds: number;
  /** Of this time only. */
  readonly counters: BackendCounters;
}

/**
 * A record's last acknowledged write; `sequence` null: one whose outcome is unknown may be newer.
 */
export interface LastWrite {
  readonly recordNumber: number;
  readonly version: number;
  readonly client: number;
  readonly sequence: number | null;
}

/** What each step asks, and what answers it. */
export interface Steps {
  /** Takes up its role. The first step. */
  begin: { ask: ClientRole; reply: null };
  open: {
    ask: { readonly dir?: string; readonly url?: string; readonly client: ClientOptions };
    reply: { readonly design: string; readonly supports: Supports };
  };
  /** Writes this client's share of the records. */
  load: { ask: null; reply: WorkReport };
  /** Reads every record once, so that it knows where each one is. */
  touch: { ask: null; reply: WorkReport };
  work: { ask: WorkOrder; reply: WorkReport };
  space: { ask: null; reply: SpaceStats };
  /** The last write of each record that this client knows of. */
  written: { ask: null; reply: readonly LastWrite[] };
  /** Reads these records back and counts those that are not as they were written. */
  verify: {
    ask: readonly LastWrite[];
    reply: { readonly right: number; readonly wrong: number; readonly example: string | null };
  };
  /** Closes the store. Counts are of its whole life. */
  close: { ask: null; reply: BackendCounters };
  /** Lets go of everything, the history included; the process ends. */
  end: { ask: null; reply: { readonly cpuSeconds: number } };
}

/** The name of a step. */
export type StepName = keyof Steps;

/** A step on its way to a client. */
export interface StepMessage {
  readonly step: StepName;
  readonly ask: unknown;
}

/** Its answer. */
export type StepAnswer =
  | { readonly ok: true; readonly reply: unknown }
  | { readonly ok: false; readonly code: string; readonly text: string };
