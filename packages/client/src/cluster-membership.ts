// Membership of a networked store. A client may map some memory nodes and reach the others over ws.
// At every node that it maps it holds a lease file, and that node alone judges it by that; over ws
// it shows that it lives by its heartbeat.
//
// What must hold: "dead" is said only when every node has fenced the client, and a node refuses to
// fence whom it sees hold a lease file there. So a client that maps any node lives for as long as
// it holds that file, however silent it is; and while a node cannot be asked, nobody is dead.
//
// Nobody is fenced at one node while another vouches for it: all are asked before any fences. A
// client without a lease file anywhere is asked for, and fenced, only when its heartbeat was seen
// unchanged for the lease time by the observer's own clock.

import { type Clock, isPdpmError } from "@pdpm/base";
import type { Judgement } from "@pdpm/direct";
import { LeaseKind } from "@pdpm/layout";
import type { Lease } from "@pdpm/transport-mapped";
import type { ClusterNode } from "./cluster-node.ts";
import type { Identity, LeaseFacts, Membership } from "./membership.ts";

/** A heartbeat that did not change for this long is taken for a dead client's. Milliseconds. */
export const leaseMs = 3000;

/** What membership needs of a memory node. */
export interface Member extends Pick<ClusterNode, "admit" | "takeLease" | "leases"> {
  readonly ws: Pick<ClusterNode["ws"], "judge" | "fence">;
}

/** Membership over the nodes of a cluster, node 0 first. */
export class ClusterMembership implements Membership {
  readonly needsLease = true;
  readonly #clock: Clock;
  readonly #nodes: readonly Member[];
  readonly #beats = new Map<number, { beat: number; since: number }>();

  constructor(clock: Clock, nodes: readonly Member[]) {
    this.#clock = clock;
    this.#nodes = nodes;
  }

  async enter(): Promise<Identity> {
    const [first, ...others] = this.#nodes as [Member, ...Member[]];
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
    return { clientId, kind: leases.length > 0 ? LeaseKind.file : LeaseKind.heartbeat, leave };
  }

  async judge(id: number, lease: LeaseFacts | undefined): Promise<Judgement> {
    // A record in the making does not say yet which kind its client is.
    const isFile = lease === undefined || lease.kind === LeaseKind.file;
    if (!isFile && this.#isFresh(id, lease)) {
      return { alive: true, who: `pid ${lease.pid}, over ws` };
    }
    try {
      const pid = await this.#holder(id);
      if (pid !== null) return { alive: true, who: `pid ${pid}` };
      await this.fence(id);
    } catch (error) {
      if (!isPdpmError(error)) throw error;
      // A node that cannot be reached may be mapped by this client, or hold a verb of it: not dead
      // yet.
      const pid = lease === undefined ? "" : `pid ${lease.pid}, `;
      return { alive: true, who: `${pid}perhaps dead, but not yet fenced: ${error.text}` };
    }
    return { alive: false, who: "dead" };
  }

  /** Whether the heartbeat changed within the lease time. */
  #isFresh(id: number, { heartbeat }: LeaseFacts): boolean {
    const now = this.#clock.now();
    const seen = this.#beats.get(id);
    if (seen?.beat !== heartbeat) {
      this.#beats.set(id, { beat: heartbeat, since: now });
      return true;
    }
    return now - seen.since < leaseMs;
  }

  /**
   * The process that holds a lease file of client `id`, by the first node that says so; null when
   * every node says that nobody does. Rejects when none says so and one does not answer.
   */
  #holder(id: number): Promise<number | null> {
    return new Promise((resolve, reject) => {
      const asked = this.#nodes.map(async ({ ws }) => {
        const judgement = await ws.judge(id);
        if (judgement.alive) resolve(judgement.pid);
      });
      // Not at the first failure: a node that answers later may vouch for the client.
      void Promise.allSettled(asked).then((answers) => {
        const failed = answers.find((answer) => answer.status === "rejected");
        if (failed === undefined) resolve(null);
        else reject(failed.reason);
      });
    });
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
    return this.#nodes.flatMap(({ leases }) => leases?.scan() ?? []);
  }
}
