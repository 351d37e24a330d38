// What clients ask of the coordinator, and what it answers. Plain data, so that the same request
// goes to a coordinator in this process or over a socket. A client imports nothing else of the
// coordinator.
//
// - A write carries a ticket: the term and session that the client was greeted with, one of its
//   slots, and that slot's next sequence number. The coordinator of that term carries it out once,
//   however often it is delivered (H15). It remembers tickets in its memory, for its own tickets at
//   the metadata service name the coordinator and not the client: the one that comes after it
//   refuses them all.
// - "refused" means: this coordinator did nothing. A client whose every delivery was refused may
//   ask again under a new greeting; one that does not know what became of an earlier delivery may
//   not: the outcome is unknown then, and nothing is tried again silently (H11).

import type { BackendCounters, SpaceStats } from "@pdpm/kv";
import type { KeyPage } from "./key-scan.ts";

/** The name under which a router reaches the coordinator. */
export const coordinatorServer = "coordinator";
/** Slots of one client: writes under way at most. */
export const requestSlots = 65_536;

/** Which coordinator speaks, and under which number it knows the client. */
export interface Greeting {
  /** The coordinator's client id. */
  readonly term: number;
  readonly session: number;
}

/** Names a write once and for all. Sequence numbers of a slot start at 1. */
export interface RequestTicket extends Greeting {
  readonly slot: number;
  readonly sequence: number;
}

/** Reads. `timeoutMs`: how long the coordinator may take; null: no deadline. */
export type CentralQuestion =
  | { readonly op: "hello" }
  | { readonly op: "get"; readonly key: Uint8Array; readonly timeoutMs: number | null }
  /** A page of keys; `after` is exclusive, null: from the beginning. */
  | { readonly op: "keys"; readonly after: Uint8Array | null; readonly timeoutMs: number | null }
  | { readonly op: "stats"; readonly timeoutMs: number | null }
  | { readonly op: "bye"; readonly greeting: Greeting };

/** Writes. `ifVersion` null: whatever the key's version is. */
export type CentralWrite =
  | {
      readonly op: "put";
      readonly key: Uint8Array;
      readonly value: Uint8Array;
      readonly ifVersion: number | null;
      readonly timeoutMs: number | null;
      readonly ticket: RequestTicket;
    }
  | {
      readonly op: "delete";
      readonly key: Uint8Array;
      readonly ifVersion: number | null;
      readonly timeoutMs: number | null;
      readonly ticket: RequestTicket;
    };

/** What travels. */
export type CentralRequest = CentralQuestion | CentralWrite;

/** What a coordinator tells of itself. */
export interface CoordinatorStats {
  readonly space: SpaceStats;
  readonly counters: BackendCounters;
}

/** The result of each request that was carried out. */
export interface CentralResultOf {
  hello: Greeting;
  get: { readonly value: Uint8Array; readonly version: number } | null;
  keys: KeyPage;
  stats: CoordinatorStats;
  bye: null;
  /** The commit number. */
  put: number;
  /** That of what was deleted; null when there was nothing. */
  delete: number | null;
}

/** A failure of the operation, as it travels; what fails on the way is an error of the call. */
export interface CentralFailure {
  readonly code: string;
  readonly text: string;
  readonly outcome: "not-applied" | "unknown";
}

/** An answer. */
export type CentralReply<R = unknown> =
  | { readonly done: R }
  | { readonly failed: CentralFailure }
  | { readonly refused: true };
