// The office of a Central store's coordinator, in a server process: one coordinator after another
// over the same memory nodes and metadata, each under an id of its own.
//
// What must hold: a coordinator that was deposed (a memory node came back as a new incarnation and
// refuses its id, H19) is followed by another one here, as soon as the memory nodes can be reached.
// Nothing of the old one is awaited for long: its rounds end when its connections are taken over,
// and it is fenced and marked dead before the next one serves (takeover.ts in @pdpm/central).
// Meanwhile the deposed one answers, and it refuses: it did nothing, its clients ask again.

import { backoffMs, isPdpmError, PdpmError, Prng, sleep } from "@pdpm/base";
import type { BackendCounters } from "@pdpm/kv";
import type { ClusterNode } from "./cluster-node.ts";
import { type CoordinatorParts, type RunningCoordinator, startCoordinator } from "./coordinator.ts";

/** What coordinators stand on, one after another. */
export interface OfficeParts extends Omit<CoordinatorParts, "nodes" | "deposed"> {
  readonly nodes: readonly ClusterNode[];
  /** Tells whoever runs this server, in one line, what becomes of its office. */
  readonly say: (line: string) => void;
}

/** What a deposed coordinator has begun may end by itself for so long. Milliseconds. */
const lastWordsMs = 1000;
const backoff = { firstMs: 50, mostMs: 2000 };

/** See the head of this file. */
export class CentralOffice {
  readonly #parts: OfficeParts;
  readonly #prng: Prng = Prng.random();
  /** The last one that came into office. */
  #coordinator!: RunningCoordinator;
  /** Until there is a new one in office, or none is wanted any more. */
  #succession: Promise<void> | undefined;
  /** Between open and close: a coordinator that was deposed is followed by another one. */
  #isOpen = false;

  private constructor(parts: OfficeParts) {
    this.#parts = parts;
  }

  /** Takes the office for the first time. @throws what keeps it from it */
  static async open(parts: OfficeParts): Promise<CentralOffice> {
    const office = new CentralOffice(parts);
    office.#coordinator = await office.#start();
    office.#isOpen = true;
    return office;
  }

  handle(request: unknown): unknown {
    return this.#coordinator.host.handle(request);
  }

  counters(): BackendCounters {
    return this.#coordinator.host.coordinator.counters();
  }

  /** A memory node refuses the id that it knew. A coordinator that is starting looks by itself. */
  fenced(): void {
    if (this.#succession === undefined) this.#coordinator.host.depose();
  }

  /** Ends the coordinator in office, if there is one; nobody follows it. */
  async close(timeoutMs: number): Promise<void> {
    this.#isOpen = false;
    if (this.#succession === undefined) await this.#coordinator.close(timeoutMs);
    else await this.#succession;
  }

  async #start(): Promise<RunningCoordinator> {
    const { nodes } = this.#parts;
    const coordinator = await startCoordinator({
      ...this.#parts,
      nodes: nodes.map(({ fabric }) => fabric),
      deposed: () => this.#deposed(),
    });
    if (!nodes.some((node) => refuses(node, coordinator.clientId))) return coordinator;
    await coordinator.close(lastWordsMs);
    throw new PdpmError("PDPM_FENCED", "a memory node was restarted meanwhile");
  }

  #deposed(): void {
    if (!this.#isOpen || this.#succession !== undefined) return;
    // Rejects only after a mistake of ours, which then ends the process.
    this.#succession = this.#succeed();
  }

  async #succeed(): Promise<void> {
    const { clock, say } = this.#parts;
    const old = this.#coordinator;
    say(
      `coordinator ${old.clientId} was deposed (a memory node was restarted?): taking over again`,
    );
    await old.close(lastWordsMs);
    let told: string | undefined;
    for (let attempt = 1; this.#isOpen; attempt += 1) {
      try {
        const next = await this.#start();
        if (!this.#isOpen) return await next.close(lastWordsMs);
        this.#coordinator = next;
        this.#succession = undefined;
        say(`coordinator ${next.clientId} is in office`);
        return;
      } catch (error) {
        if (!isPdpmError(error)) throw error;
        if (error.code !== told) say(`no coordinator is in office: ${error.message}; trying again`);
        told = error.code;
      }
      await sleep(clock, backoffMs(this.#prng, attempt, backoff));
    }
  }
}

/** Whether posts to a node reply PDPM_FENCED. A mapped node's do not pass through its process. */
function refuses({ ws, leases }: ClusterNode, clientId: number): boolean {
  return leases === undefined && ws.clientId !== clientId;
}
