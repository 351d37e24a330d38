// Membership of a networked store. A client that maps node 0 holds a lease file there, and that
// node alone judges it. Every other client is a ws client: it raises its heartbeat, and who sees
// that unchanged for the lease time, by his own clock, has it fenced at every node; only then it is
// dead.

import { type Clock, isPdpmError } from "@pdpm/base";
import type { Judgement } from "@pdpm/direct";
import { LeaseKind } from "@pdpm/layout";
import type { Lease } from "@pdpm/transport-mapped";
import type { ClusterNode } from "./cluster-node.ts";
import type { Identity, LeaseFacts, Membership } from "./membership.ts";

/** A heartbeat that did not change for this long is taken for a dead client's. Milliseconds. */
export const leaseMs = 3000;

/** Membership over the nodes of a cluster, node 0 first. */
export class ClusterMembership implements Membership {
  readonly needsLease = true;
  readonly #clock: Clock;
  readonly #nodes: readonly ClusterNode[];
  readonly #beats = new Map<number, { beat: number; since: number }>();

  constructor(clock: Clock, nodes: readonly ClusterNode[]) {
    this.#clock = clock;
    this.#nodes = nodes;
  }

  async enter(): Promise<Identity> {
    const [first, ...others] = this.#nodes as [ClusterNode, ...ClusterNode[]];
    const clientId = await first.admit();
    await Promise.all(others.map((node) => node.admit(clientId)));
    const leases: Lease[] = [];
    const leave = async (): Promise<void> => {
      for (const lease of leases) lease.release();
    };
    try {
      for (const node of this.#nodes) {
        const lease = await node.takeLease(this.#clock, clientId);
        if (lease !== undefined) leases.push(lease);
      }
    } catch (error) {
      await leave();
      throw error;
    }
    const kind = first.leases === undefined ? LeaseKind.heartbeat : LeaseKind.file;
    return { clientId, kind, leave };
  }

  async judge(id: number, lease: LeaseFacts | undefined): Promise<Judgement> {
    const sign = await this.#signOfLife(id, lease);
    if (sign !== null) return { alive: true, who: sign };
    try {
      await this.fence(id);
    } catch (error) {
      if (!isPdpmError(error)) throw error;
      // A node that cannot be reached may still hold a verb of this client: not dead yet.
      return { alive: true, who: `dead, but not yet fenced: ${error.text}` };
    }
    return { alive: false, who: "dead" };
  }

  /** What shows that the client lives; null when nothing does. */
  async #signOfLife(id: number, lease: LeaseFacts | undefined): Promise<string | null> {
    if (lease === undefined || lease.kind === LeaseKind.file) {
      const [first] = this.#nodes as [ClusterNode];
      const judgement = await first.ws.judge(id);
      return judgement.alive ? `pid ${judgement.pid}` : null;
    }
    const now = this.#clock.now();
    const seen = this.#beats.get(id);
    if (seen?.beat !== lease.heartbeat) {
      this.#beats.set(id, { beat: lease.heartbeat, since: now });
      return `pid ${lease.pid}, over ws`;
    }
    return now - seen.since < leaseMs ? `pid ${lease.pid}, over ws` : null;
  }

  async fence(id: number): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.ws.fence(id)));
  }

  buried(id: number): void {
    this.#beats.delete(id);
    for (const { leases } of this.#nodes) {
      const judgement = leases?.judge(id);
      if (judgement?.state === "dead") judgement.grave?.buried();
    }
  }

  suspects(): readonly number[] {
    return this.#nodes[0]?.leases?.scan() ?? [];
  }
}
