// A fabric carries rounds to memory. The router below turns logical addresses into places (node,
// region offset) with the chunk map, and hands each node its posts; how a node is reached (mapped
// memory, ws, simulation) is the node fabric's affair, and no protocol can tell.

import type { Clock } from "@pdpm/base";
import { PdpmError, sleep } from "@pdpm/base";
import { addressText } from "@pdpm/layout/address";
import { asFailure } from "./apply.ts";
import type { ChunkMap } from "./chunk-map.ts";
import { type Post, type Replies, type Round, Verb } from "./round.ts";

/** Carries rounds. Ready at once when every reply is. Never throws and never rejects. */
export interface Fabric {
  post(round: Round): Replies | Promise<Replies>;
}

/** The same for the placed posts (`post.offset`) of one memory node. */
export interface NodeFabric extends Fabric {
  /** Asks the node for more space: the region reaches at least `sizeBytes` afterwards. */
  extend(sizeBytes: number): Promise<void>;
  /** Ends it: later posts reply PDPM_CLOSED. Settles when nothing of it holds the event loop. */
  close(): Promise<void>;
}

/** Answers calls: the control plane. May throw or reject with PdpmError. */
export type CallHandler = (request: unknown) => unknown;

/** Sends each post where it belongs. */
export class Router implements Fabric {
  readonly #clock: Clock;
  readonly #chunks: ChunkMap;
  readonly #nodes: readonly NodeFabric[];
  readonly #servers: ReadonlyMap<string, CallHandler>;

  constructor(
    clock: Clock,
    chunks: ChunkMap,
    nodes: readonly NodeFabric[],
    servers: ReadonlyMap<string, CallHandler>,
  ) {
    this.#clock = clock;
    this.#chunks = chunks;
    this.#nodes = nodes;
    this.#servers = servers;
  }

  post(round: Round): Replies | Promise<Replies> {
    let node = -2;
    for (let i = 0; i < round.length; i += 1) {
      const post = round[i] as Post;
      post.node = post.verb < Verb.call ? this.#chunks.place(post) : -1;
      if (node === -2) node = post.node;
      else if (node !== post.node) node = -1;
    }
    // Nearly every round goes to one node; it needs no splitting.
    if (node >= 0) return (this.#nodes[node] as NodeFabric).post(round);
    return this.#split(round);
  }

  #split(round: Round): Replies | Promise<Replies> {
    const replies: unknown[] = new Array(round.length).fill(undefined);
    const waits: Promise<unknown>[] = [];
    const places = new Map<number, number[]>();
    for (let i = 0; i < round.length; i += 1) {
      const post = round[i] as Post;
      if (post.verb >= Verb.call) {
        waits.push(
          this.#control(post).then((reply) => {
            replies[i] = reply;
          }),
        );
      } else if (post.node < 0) {
        replies[i] = new PdpmError(
          "PDPM_UNAVAILABLE",
          `no memory node carries ${addressText(post.address)}`,
        );
      } else {
        const indexes = places.get(post.node);
        if (indexes === undefined) places.set(post.node, [i]);
        else indexes.push(i);
      }
    }
    for (const [node, indexes] of places) {
      const part = indexes.map((i) => round[i] as Post);
      const settle = (found: Replies): void => {
        for (const [i, at] of indexes.entries()) replies[at] = found[i];
      };
      const found = (this.#nodes[node] as NodeFabric).post(part);
      if (found instanceof Promise) waits.push(found.then(settle));
      else settle(found);
    }
    if (waits.length === 0) return replies;
    return Promise.all(waits).then(() => replies);
  }

  async #control(post: Post): Promise<unknown> {
    if (post.verb === Verb.pause) return sleep(this.#clock, post.bytes);
    const handler = this.#servers.get(post.server);
    if (handler === undefined) {
      return new PdpmError("PDPM_UNAVAILABLE", `there is no server "${post.server}"`);
    }
    try {
      return await handler(post.request);
    } catch (error) {
      return asFailure(error);
    }
  }
}
