// A coordinator of a Central store in this process, on memory nodes that were reached by the
// caller: its identity, its judgement of those before it, and its end.

import { type Clock, Prng } from "@pdpm/base";
import { CentralHost } from "@pdpm/central";
import { LeaseKind } from "@pdpm/layout";
import type { StoreLabel } from "@pdpm/layout/region-header";
import type { CallHandler, CounterTable, NodeFabric } from "@pdpm/verbs";
import type { Membership } from "./membership.ts";

/** What a coordinator stands on. */
export interface CoordinatorParts {
  readonly clock: Clock;
  readonly label: StoreLabel;
  readonly nodes: readonly NodeFabric[];
  readonly metadata: CallHandler;
  readonly membership: Membership;
  readonly timeoutMs: number;
  readonly counters: CounterTable;
  /** Another one is in office, or a memory node refuses this one. */
  readonly deposed: () => void;
}

/** A coordinator in office. */
export interface RunningCoordinator {
  readonly host: CentralHost;
  readonly clientId: number;
  /** Ends it and shows that it has left. */
  close(timeoutMs: number): Promise<void>;
}

/** Takes the office. @throws PDPM_IN_USE when another coordinator lives */
export async function startCoordinator(parts: CoordinatorParts): Promise<RunningCoordinator> {
  const { clock, label, nodes, metadata, membership, timeoutMs, counters, deposed } = parts;
  const identity = await membership.enter();
  const { clientId, kind } = identity;
  try {
    const host = await CentralHost.start({
      clock,
      prng: Prng.random(),
      label,
      nodes,
      metadata,
      clientId,
      entering: { pid: process.pid, kind: kind === LeaseKind.file ? "file" : "pulse" },
      judge: (id) => membership.judge(id, undefined),
      buried: (id) => membership.buried(id),
      deposed,
      timeoutMs,
      counters,
    });
    return {
      host,
      clientId,
      close: async (closeTimeoutMs) => {
        try {
          await host.close(closeTimeoutMs);
        } finally {
          await identity.leave();
        }
      },
    };
  } catch (error) {
    await identity.leave();
    throw error;
  }
}
