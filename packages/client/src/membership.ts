// Who is a member of a store, and who is dead. Behind it stand lease files (embedded, or mapped
// clients of a cluster) or heartbeats and fencing (ws clients); the protocols only ask "may this id
// still post?".
//
// Invariant: "dead" is said only when the client can post nothing any more, at any node (H6).

import type { Judgement } from "@pdpm/direct";
import type { LeaseKind } from "@pdpm/layout";

/** How one client is known to the others, from entering until leaving. */
export interface Identity {
  readonly clientId: number;
  readonly kind: LeaseKind;
  /** Shows that it has left: nobody lives under this id any more. */
  leave(): Promise<void>;
}

/** What a judge needs to know of a client's lease record; undefined when it has none. */
export interface LeaseFacts {
  readonly kind: LeaseKind;
  readonly heartbeat: number;
  readonly pid: number;
}

/** The membership of one store, as one client sees it. */
export interface Membership {
  /** `judge` wants to see the client's lease record. */
  readonly needsLease: boolean;
  /** Takes a fresh id, which nobody had before, and shows that it lives. */
  enter(): Promise<Identity>;
  /** Whether client `id` may still post anything. */
  judge(id: number, lease: LeaseFacts | undefined): Promise<Judgement>;
  /**
   * Settles when `id` can post nothing any more, at any node. Rejects while a node is out of reach.
   */
  fence(id: number): Promise<void>;
  /** Everything of `id` was taken back. */
  buried(id: number): void;
  /** Ids that show signs of life, or did until lately, beside those in the lease records. */
  suspects(): readonly number[];
}
