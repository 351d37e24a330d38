// Clients that map this node's region instead of sending it verbs: each holds a lease file in the
// node's directory for as long as it lives, and this node alone judges it by that.

import { LeaseFiles } from "@pdpm/transport-mapped";
import type { Judgement } from "@pdpm/transport-ws";

/** The mapped clients of one node. */
export class MappedClients {
  readonly #leases: LeaseFiles;

  constructor(directory: string) {
    this.#leases = new LeaseFiles(directory);
  }

  /** Whether client `id` lives. Who has no lease file does not live as a mapped client. */
  judge(id: number): Judgement {
    const judgement = this.#leases.judge(id);
    if (judgement.state === "alive") return { alive: true, pid: judgement.pid };
    // Who clears up after the dead one takes its grave; a judge does not.
    if (judgement.state === "dead") judgement.grave?.leave();
    return { alive: false };
  }

  /** Whether any of them lives. */
  get isAnyAlive(): boolean {
    return this.#leases.scan().some((id) => this.judge(id).alive);
  }
}
