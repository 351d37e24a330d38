// The way from simulated clients to the metadata service, and what goes wrong on it.
//
//   embedded    the service runs in the client's own process, and stops with it at any store access
//   networked   a request may be late, lost, or delivered twice, its reply may be lost, and the
//               server may die at any access of any call; what its client sent before it died
//               still arrives
//
// In both, commits conflict for no reason, and calls may take longer than the service has patience
// for.

import { PdpmError, type Prng } from "@pdpm/base";
import type { MetadataRequest } from "@pdpm/metadata-server/protocol";
import { LaterReply } from "@pdpm/verbs/interleaver";
import { FaultyWay, type WayFaults } from "./faulty-way.ts";
import { ServiceCall, type ServiceParts } from "./service-call.ts";

/** How often what goes wrong. */
export interface CallFaults extends WayFaults {
  readonly isEmbedded: boolean;
}

/** See above. */
export class MetadataCalls {
  readonly #parts: ServiceParts;
  readonly #faults: CallFaults;
  readonly #prng: Prng;
  readonly #way: FaultyWay;
  readonly #underWay = new Map<ServiceCall, LaterReply>();
  #count = 0;
  /** Power failures so far. */
  #generation = 0;

  constructor(parts: ServiceParts, faults: CallFaults, prng: Prng) {
    this.#parts = parts;
    this.#faults = faults;
    this.#prng = prng;
    this.#way = new FaultyWay(parts.interleaver, faults, prng, lost);
  }

  /** A client asks. */
  ask(client: number, request: MetadataRequest): LaterReply {
    if (this.#faults.isEmbedded) {
      const later = new LaterReply();
      this.#deliver(client, request, 0, later);
      return later;
    }
    return this.#way.send((later, steps) => this.#deliver(client, request, steps, later));
  }

  /** The client's process is gone. */
  clientDied(client: number): void {
    if (!this.#faults.isEmbedded) return;
    for (const call of this.#underWay.keys()) if (call.client === client) this.#end(call);
  }

  /** Whatever carries calls out dies, and starts again at once. */
  serverDied(): void {
    for (const [call, later] of this.#underWay) {
      this.#end(call);
      later.give(lost("unknown"));
    }
  }

  /** All of it dies, and what is on its way with it. */
  allDied(): void {
    this.#generation += 1;
    for (const call of this.#underWay.keys()) this.#end(call);
  }

  #end(call: ServiceCall): void {
    call.die();
    this.#underWay.delete(call);
  }

  #deliver(client: number, request: MetadataRequest, steps: number, later: LaterReply): void {
    this.#count += 1;
    const prng = this.#prng.fork(`call ${this.#count}`);
    const call = new ServiceCall(this.#parts, prng, client, request, (reply) => {
      later.give(reply);
    });
    const generation = this.#generation;
    this.#parts.interleaver.enlist(async () => {
      if (generation !== this.#generation) return;
      this.#underWay.set(call, later);
      await call.begin();
    }, steps);
  }
}

function lost(outcome: "unknown" | "not-applied"): PdpmError {
  return new PdpmError("PDPM_UNAVAILABLE", "the connection to the metadata server broke", {
    outcome,
  });
}
