// One coordinator of a simulated Central store: the production host, whose rounds, calls and timers
// are micro-steps of the interleaver. Between two of them it computes, on promises, until it waits
// for somebody again; nobody else moves meanwhile.
//
// One that is killed hears of nothing any more, so it never gets on. What it had posted may still
// be applied until it is fenced.

import { assert, type Clock, isPdpmError, PdpmError } from "@pdpm/base";
import { CentralHost, type Judgement } from "@pdpm/central";
import { regionHeaderBytes } from "@pdpm/layout/region-header";
import type { MetadataRequest } from "@pdpm/metadata-server/protocol";
import { type Ended, type LaterReply, SimulatedClient } from "@pdpm/simulator";
import {
  ChunkMap,
  CounterTable,
  type NodeFabric,
  type Post,
  type Protocol,
  type Replies,
  type Round,
} from "@pdpm/verbs";
import type { World } from "./central-world.ts";
import { chunkBytes } from "./plan-parts.ts";

/** Micro-steps of a millisecond of its clock. */
const stepsPerMs = 40;
/** Turns of the microtask queue after which it has computed what it can. */
const hopsMost = 50;

/** A coordinator, or somebody who wants to be one. */
export class Seat {
  readonly id: number;
  readonly simulated: SimulatedClient;
  /** It is in office, as far as it knows. */
  host: CentralHost | undefined;
  /** Whoever asks is told that it is dead. */
  isSuspected = false;
  /** It knows that somebody else is, or will be, in office; or it never came into office. */
  isOut = false;
  readonly #world: World;
  /** Requests of clients that have no answer yet. */
  readonly #underWay = new Set<LaterReply>();

  constructor(world: World, id: number) {
    this.#world = world;
    this.id = id;
    this.simulated = new SimulatedClient(id, new PlacedPosts(chunkBytes));
  }

  get isDead(): boolean {
    return this.simulated.isKilled;
  }

  /** It answers clients. */
  get isServing(): boolean {
    return this.host !== undefined && !this.isDead && !this.isOut;
  }

  /** It begins to take the office. */
  start(): void {
    this.#turn(() => {
      CentralHost.start(this.#parts()).then(
        (host) => {
          this.host = host;
        },
        (error: unknown) => {
          // Its process ends.
          this.isOut = true;
          this.die();
          this.#mayFail(error);
        },
      );
    });
  }

  /** It does something of its own accord. `work` may fail as its operations may. */
  act(work: (host: CentralHost) => unknown): void {
    this.#turn(() => {
      const { host } = this;
      if (host === undefined) return;
      Promise.resolve(work(host)).catch((error: unknown) => this.#mayFail(error));
    });
  }

  /** A client's request is on its way here; it may arrive more than once. */
  serve(request: unknown, later: LaterReply, steps: number): void {
    this.#underWay.add(later);
    this.#turn(() => void this.#serve(request, later), steps);
  }

  /** Never rejects: what fails is the answer. */
  async #serve(request: unknown, later: LaterReply): Promise<void> {
    let reply: unknown;
    try {
      assert(this.host !== undefined, "a coordinator that is asked is in office");
      reply = await this.host.handle(request);
    } catch (error) {
      this.#mayFail(error);
      reply = error;
    }
    this.#turn(() => {
      this.#underWay.delete(later);
      later.give(reply);
    });
  }

  /** It stops where it is. Those who wait for its answers see its connection break. */
  die(): void {
    if (this.isDead) return;
    const { interleaver, calls } = this.#world;
    interleaver.kill(this.simulated);
    calls.clientDied(this.id);
    for (const later of this.#underWay) interleaver.enlist(() => later.give(lost("unknown")));
  }

  /** Nothing of it is applied any more; it is not told. */
  fence(): void {
    this.#world.interleaver.fence(this.simulated);
  }

  /** A micro-step in which it computes. */
  #turn(act: () => void, steps = 0): void {
    this.#world.interleaver.enlist(() => this.#compute(act), steps);
  }

  /** @throws what is no error of ours, wherever it came up. */
  async #compute(act: () => void): Promise<void> {
    if (this.isDead) return;
    act();
    for (let hops = 0; hops < hopsMost; hops += 1) await undefined;
    const { broken } = this.#world;
    if (broken !== undefined) throw broken;
  }

  #mayFail(error: unknown): void {
    if (isPdpmError(error)) this.#world.excuseSeat(error);
    else this.#world.broken ??= error;
  }

  #parts(): Parameters<typeof CentralHost.start>[0] {
    const { plan, prng, memories } = this.#world;
    return {
      clock: this.#clock(),
      prng: prng.fork(`seat ${this.id}`),
      label: { chunkBytes, chunksMost: plan.chunksMost, durability: plan.durability },
      nodes: memories.map(() => this.#node()),
      metadata: (request) => this.#ask(request as MetadataRequest),
      clientId: this.id,
      entering: { pid: this.id, kind: "file" },
      judge: (id) => this.#judge(id),
      buried: () => {},
      deposed: () => {
        this.isOut = true;
      },
      mappingMost: plan.mappingMost,
      timeoutMs: 100_000,
      counters: new CounterTable(),
    };
  }

  #clock(): Clock {
    const { interleaver } = this.#world;
    return {
      now: () => interleaver.steps / stepsPerMs,
      after: (ms, then) => {
        const steps = Math.ceil(ms * stepsPerMs);
        const chore = interleaver.enlist(() => this.#compute(then), steps);
        return () => interleaver.dismiss(chore);
      },
    };
  }

  #node(): NodeFabric {
    return {
      post: (round) =>
        new Promise<Replies>((resolve) => {
          if (this.isDead) return;
          this.#post(round, resolve);
        }),
      extend: (sizeBytes) =>
        new Promise((resolve, reject) => {
          const { sizeBytes: most } = this.#world.memories[0] as { sizeBytes: number };
          this.#turn(() => {
            if (sizeBytes <= most) resolve();
            else reject(new PdpmError("PDPM_NO_SPACE", "the node is full"));
          });
        }),
      close: async () => {},
    };
  }

  #post(round: Round, resolve: (replies: Replies) => void): void {
    const { simulated } = this;
    const protocol = (function* (): Protocol<Replies> {
      return yield round;
    })();
    const end = (ended: Ended<Replies>): void => {
      if ("value" in ended) this.#turn(() => resolve(ended.value));
      else this.#world.broken ??= ended.error;
    };
    this.#world.interleaver.spawn(simulated, simulated.operation("round"), "", protocol, end);
  }

  #ask(request: MetadataRequest): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.isDead) return;
      this.#world.calls.ask(this.id, request).awaitedBy((reply) => {
        this.#turn(() => (isPdpmError(reply) ? reject(reply) : resolve(reply)));
      });
    });
  }

  #judge(id: number): Promise<Judgement> {
    return new Promise((resolve) => {
      this.#turn(() => resolve(this.#world.judge(id)));
    });
  }
}

/** The chunk table of posts that were placed before they came here. */
class PlacedPosts extends ChunkMap {
  override place(post: Post): number {
    return post.node;
  }
}

/** There is no answer of a coordinator. */
export function lost(outcome: "unknown" | "not-applied"): PdpmError {
  return new PdpmError("PDPM_UNAVAILABLE", "the connection to the coordinator broke", { outcome });
}

/** Bytes of a region with room for so many chunks. */
export function regionBytes(chunks: number): number {
  return regionHeaderBytes + chunks * chunkBytes;
}
