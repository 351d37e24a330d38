// Who may use this node over ws: admission and fencing by client id (hazards H6, H14, H19).
//
// What must hold:
// - One connection at most carries an id. A new one ends the old one first, and is admitted when no
//   verb of the old one is queued or running.
// - A fence of an id whose lease file here is held is refused: that client maps the region, and no
//   refusal of ours stops its verbs. Otherwise the id is not admitted any more from the moment the
//   fence is asked for, and a lease file that is taken later is judged dead, which its owner asks
//   before it posts. So whoever maps the region is never fenced here.
// - A fence is answered when the refusal is durable and no verb of that id is queued or running. A
//   fenced id stays fenced.
// - Ids up to `fencedThrough` are of an earlier incarnation and refused, but for mapped clients
//   that live: their verbs never passed through this process. They come for control calls alone.
// - An id is durable in `admittedThrough` before it is admitted, and in `nextClientId` before it is
//   told; so a new incarnation can refuse all ids that were ever admitted here.

import { PdpmError } from "@pdpm/base";
import type { MappedRegion } from "@pdpm/transport-mapped";
import { type Connection, clientIdLimit, type Judgement } from "@pdpm/transport-ws";
import type { FencedIds } from "./fenced-ids.ts";
import type { MappedClients } from "./mapped-clients.ts";

/** See the head of this file. */
export class Admissions {
  readonly #region: MappedRegion;
  readonly #fenced: FencedIds;
  readonly #mapped: MappedClients;
  readonly #connections = new Map<number, Connection>();
  /** Ids whose fence was asked for and is not durable yet. */
  readonly #condemned = new Set<number>();
  /** What is going on for an id: admissions and fences of one id take turns. */
  readonly #turns = new Map<number, Promise<unknown>>();

  constructor(region: MappedRegion, fenced: FencedIds, mapped: MappedClients) {
    this.#region = region;
    this.#fenced = fenced;
    this.#mapped = mapped;
  }

  /** How many ids are refused one by one, and through which id all are. */
  get fenced(): { readonly ids: number; readonly through: number } {
    return { ids: this.#fenced.count, through: this.#fencedThrough };
  }

  /**
   * Admits `connection` with `id`, or with one that nobody had before.
   * Rejects with PDPM_FENCED, PDPM_NO_SPACE when ids are used up, PDPM_POISONED.
   */
  async admit(connection: Connection, id: number | undefined): Promise<number> {
    const admitted = id ?? (await this.#newId());
    await this.#inTurn(admitted, () => this.#admit(connection, admitted));
    return admitted;
  }

  /**
   * Resolves when no verb of `id` is queued or running, and none ever will be. Rejects with
   * PDPM_BUSY, and changes nothing, while a living client holds that lease here.
   */
  async fence(id: number): Promise<void> {
    // No step of anybody else comes between the look and the sentence.
    const judgement = this.#mapped.judge(id);
    if (judgement.alive) {
      const text = `client ${id} lives: pid ${judgement.pid} maps this memory node and holds a lease`;
      throw new PdpmError("PDPM_BUSY", text);
    }
    this.#condemned.add(id);
    await this.#inTurn(id, async () => {
      await this.#connections.get(id)?.end(`client id ${id} was fenced`);
      await this.#fenced.add(id);
      this.#condemned.delete(id);
    });
  }

  /** Whether `id` lives as a mapped client. Who took its lease after it was fenced does not. */
  judge(id: number): Judgement {
    return this.#isFenced(id) ? { alive: false } : this.#mapped.judge(id);
  }

  get #fencedThrough(): number {
    return Number(this.#region.header.load("fencedThrough"));
  }

  #isFenced(id: number): boolean {
    if (this.#condemned.has(id) || this.#fenced.has(id)) return true;
    return id <= this.#fencedThrough && !this.#mapped.judge(id).alive;
  }

  async #newId(): Promise<number> {
    // Ends: each turn takes an id for ever, and only ids that were fenced already are passed over.
    for (;;) {
      const id = await this.#region.takeClientId(true);
      if (id >= clientIdLimit) throw new PdpmError("PDPM_NO_SPACE", "client ids are used up");
      if (!this.#isFenced(id)) return id;
    }
  }

  async #admit(connection: Connection, id: number): Promise<void> {
    this.#refuseFenced(id);
    await this.#connections.get(id)?.end(`client id ${id} came back on another connection`);
    // Nobody is ever handed an id that a client brought from another node of its cluster.
    this.#region.header.raise("nextClientId", BigInt(id));
    this.#region.header.raise("admittedThrough", BigInt(id));
    await Promise.all([
      this.#region.flushHeaderWord("nextClientId"),
      this.#region.flushHeaderWord("admittedThrough"),
    ]);
    this.#refuseFenced(id);
    if (connection.isEnded) return;
    this.#connections.set(id, connection);
    // `gone` never rejects.
    void connection.gone.then(() => {
      if (this.#connections.get(id) === connection) this.#connections.delete(id);
    });
  }

  #refuseFenced(id: number): void {
    if (!this.#isFenced(id)) return;
    throw new PdpmError("PDPM_FENCED", `client id ${id} was fenced at this memory node`);
  }

  async #inTurn(id: number, work: () => Promise<void>): Promise<void> {
    const before = this.#turns.get(id) ?? Promise.resolve();
    const turn = before.then(work);
    const settled = turn.catch(() => undefined);
    this.#turns.set(id, settled);
    try {
      await turn;
    } finally {
      if (this.#turns.get(id) === settled) this.#turns.delete(id);
    }
  }
}
