// Membership of an embedded store: a lease file per client in the directory, locked while it lives.

import type { Clock } from "@pdpm/base";
import type { Judgement } from "@pdpm/direct";
import { LeaseKind } from "@pdpm/layout";
import { type Grave, LeaseFiles, type MappedRegion } from "@pdpm/transport-mapped";
import { beginUse } from "./in-use-mark.ts";
import type { Identity, Membership } from "./membership.ts";

/** Lease files of one directory, judged by this process. */
export class EmbeddedMembership implements Membership {
  readonly needsLease = false;
  readonly #clock: Clock;
  readonly #directory: string;
  readonly #region: MappedRegion;
  readonly #leases: LeaseFiles;
  readonly #isDurable: boolean;
  readonly #graves = new Map<number, Grave>();

  constructor(clock: Clock, directory: string, region: MappedRegion, isDurable: boolean) {
    this.#clock = clock;
    this.#directory = directory;
    this.#region = region;
    this.#leases = new LeaseFiles(directory);
    this.#isDurable = isDurable;
  }

  async enter(): Promise<Identity> {
    const lease = await beginUse(this.#clock, this.#directory, this.#region, async () =>
      this.#leases.take(await this.#region.takeClientId(this.#isDurable)),
    );
    return {
      clientId: lease.id,
      kind: LeaseKind.file,
      leave: async () => {
        for (const grave of this.#graves.values()) grave.leave();
        this.#graves.clear();
        lease.release();
      },
    };
  }

  async judge(id: number): Promise<Judgement> {
    if (this.#graves.has(id)) return { alive: false, who: "dead" };
    const judgement = this.#leases.judge(id);
    if (judgement.state === "alive") {
      return { alive: true, who: `pid ${judgement.pid}, ${judgement.command}` };
    }
    // The grave is kept until everything was taken back: only its holder buries.
    if (judgement.state === "dead" && judgement.grave) this.#graves.set(id, judgement.grave);
    return { alive: false, who: "dead" };
  }

  /** Mapped verbs end with the process that posts them. */
  async fence(): Promise<void> {}

  buried(id: number): void {
    this.#graves.get(id)?.buried();
    this.#graves.delete(id);
  }

  suspects(): readonly number[] {
    return this.#leases.scan();
  }
}
