// The way from simulated clients to the metadata service, and what goes wrong on it.
//
//   embedded    the service runs in the client's own process, and stops with it at any store access
//   networked   a request may be late, lost, or delivered twice, its reply may be lost, and the
//               server may die at any access of any call; what its client sent before it died
//               still arrives; and a client may be cut off from it for a while
//
// In both, commits conflict for no reason, and calls may take longer than the service has patience
// for.

import { PdpmError, type Prng } from "@pdpm/base";
import type { MetadataRequest } from "@pdpm/metadata-server/protocol";
import { LaterReply } from "@pdpm/simulator";
import type { FaultCounts } from "./fault-counts.ts";
import { FaultyWay, type WayFaults } from "./faulty-way.ts";
import { type ServiceParts, ServiceProcess } from "./service-process.ts";

/** The server's process, among those of clients. */
const server = 0;

/** How often what goes wrong. */
export interface CallFaults extends WayFaults {
  readonly isEmbedded: boolean;
}

/** See above. */
export class MetadataCalls {
  readonly #parts: ServiceParts;
  readonly #faults: CallFaults;
  readonly #prng: Prng;
  readonly #counts: FaultCounts;
  readonly #way: FaultyWay;
  /** Those that live: one for each client, or the server's alone. */
  readonly #processes = new Map<number, ServiceProcess>();
  /** What the server has not answered yet, and whom. */
  readonly #underWay = new Map<LaterReply, number>();
  /** Until when clients are cut off. */
  readonly #cutUntil = new Map<number, number>();
  #count = 0;
  /** Power failures so far. */
  #generation = 0;

  constructor(parts: ServiceParts, faults: CallFaults, prng: Prng, counts: FaultCounts) {
    this.#parts = parts;
    this.#faults = faults;
    this.#prng = prng;
    this.#counts = counts;
    this.#way = new FaultyWay(parts.interleaver, faults, prng, counts, lost);
  }

  /** A client asks. */
  ask(client: number, request: MetadataRequest): LaterReply {
    if (this.#faults.isEmbedded) {
      const later = new LaterReply();
      this.#deliver(client, request, 0, later);
      return later;
    }
    if (this.#isCutOff(client)) {
      const later = new LaterReply();
      this.#way.tell(later, "not-applied");
      return later;
    }
    return this.#way.send((later, steps) => this.#deliver(client, request, steps, later));
  }

  /** For so many micro-steps the client and the server hear nothing of each other. */
  cutOff(client: number, steps: number): void {
    const { interleaver } = this.#parts;
    interleaver.trace?.note(interleaver.steps, `client ${client} is cut off from the metadata`);
    this.#counts.add("client cut off from the metadata server");
    this.#cutUntil.set(client, interleaver.steps + steps);
    for (const [later, asker] of this.#underWay) {
      if (asker !== client) continue;
      // What has arrived is carried out.
      this.#underWay.delete(later);
      this.#way.tell(later, "unknown");
    }
  }

  #isCutOff(client: number): boolean {
    const { interleaver } = this.#parts;
    return !interleaver.isHealed && interleaver.steps < (this.#cutUntil.get(client) ?? 0);
  }

  /** The client's process is gone. */
  clientDied(client: number): void {
    if (!this.#faults.isEmbedded) return;
    if (this.#processes.has(client)) this.#counts.add("embedded metadata service dies");
    this.#end(client);
  }

  /** Whatever carries calls out dies, and starts again at once. */
  serverDied(): void {
    if (this.#processes.size > 0) this.#counts.add("metadata server dies");
    for (const name of this.#processes.keys()) this.#end(name);
    for (const later of this.#underWay.keys()) later.give(lost("unknown"));
    this.#underWay.clear();
  }

  /** All of it dies, and what is on its way with it. */
  allDied(): void {
    this.#generation += 1;
    for (const name of this.#processes.keys()) this.#end(name);
    this.#underWay.clear();
  }

  #end(name: number): void {
    this.#processes.get(name)?.die();
    this.#processes.delete(name);
  }

  #processOf(client: number): ServiceProcess {
    const name = this.#faults.isEmbedded ? client : server;
    const known = this.#processes.get(name);
    if (known !== undefined) return known;
    this.#count += 1;
    const process = new ServiceProcess(this.#parts, this.#prng.fork(`process ${this.#count}`));
    this.#processes.set(name, process);
    return process;
  }

  #deliver(client: number, request: MetadataRequest, steps: number, later: LaterReply): void {
    const generation = this.#generation;
    const own = this.#faults.isEmbedded ? this.#processOf(client) : undefined;
    this.#parts.interleaver.enlist(async () => {
      if (generation !== this.#generation) return;
      this.#underWay.set(later, client);
      await (own ?? this.#processOf(client)).handle(request, (reply) => {
        if (!this.#underWay.delete(later)) return;
        if (this.#isCutOff(client)) this.#way.tell(later, "unknown");
        else later.give(reply);
      });
    }, steps);
  }
}

function lost(outcome: "unknown" | "not-applied"): PdpmError {
  return new PdpmError("PDPM_UNAVAILABLE", "the connection to the metadata server broke", {
    outcome,
  });
}
