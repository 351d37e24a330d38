// The way of one client to memory nodes and servers, by which it can be killed in any of its
// rounds: each memory node has applied any prefix of the verbs of that round, each server has or
// has not been asked, and no reply is seen. What is posted in one turn of the event loop is one
// round.

import {
  applyPosts,
  asFailure,
  type CallHandler,
  type NodeFabric,
  type Replies,
  Verb,
} from "@pdpm/verbs";
import type { PowerMemory } from "./power-memory.ts";

/** Where a client dies: in which round, and how much each lane of it still did. */
export interface DeathPoint {
  readonly round: number;
  readonly kept: readonly number[];
}

/** What one round does at one node or server. */
interface Lane {
  readonly name: string;
  /** Verbs that may have an effect, or the one request. */
  size: number;
  /** Does the first so many, and says what became of each post. */
  readonly parts: { readonly size: number; act(most: number): unknown }[];
}

const never = new Promise<never>(() => {});

/** See above. */
export class Mortal {
  /** How much each round since `arm` asked of each lane. */
  readonly shapes: number[][] = [];
  readonly died: Promise<void>;
  isDead = false;
  #tellDied: () => void = () => {};
  #isArmed = false;
  #point: DeathPoint | undefined;
  #lanes: Map<string, Lane> = new Map();
  #calls = 0;

  constructor() {
    this.died = new Promise((resolve) => {
      this.#tellDied = resolve;
    });
  }

  /** From here on its rounds are counted; it dies at `point`, if there is one. */
  arm(point?: DeathPoint): void {
    this.#isArmed = true;
    this.#point = point;
  }

  /** Its rounds are not counted any more. */
  disarm(): void {
    this.#isArmed = false;
  }

  /** It posts nothing any more. */
  die(): void {
    this.isDead = true;
    this.#tellDied();
  }

  node(number: number, memory: PowerMemory): NodeFabric {
    return {
      post: (round) => {
        const effects = round.filter(({ verb }) => verb !== Verb.read);
        const act = async (most: number): Promise<Replies> =>
          applyPosts(memory, most < effects.length ? effects.slice(0, most) : round);
        return this.#send(`node ${number}`, effects.length, act) as Promise<Replies>;
      },
      extend: () => memory.extend(),
      close: async () => {},
    };
  }

  server(handle: CallHandler): CallHandler {
    return (request) => {
      this.#calls += 1;
      const act = async (most: number): Promise<unknown> =>
        most === 0 ? undefined : handle(request);
      return this.#send(`call ${this.#calls}`, 1, act);
    };
  }

  #send(name: string, size: number, act: (most: number) => Promise<unknown>): Promise<unknown> {
    if (this.isDead) return never;
    if (this.#lanes.size === 0) queueMicrotask(() => this.#end());
    const lane = this.#lanes.get(name) ?? { name, size: 0, parts: [] };
    this.#lanes.set(name, lane);
    lane.size += size;
    return new Promise((resolve, reject) => {
      const done = async (most: number): Promise<void> => {
        try {
          const reply = await act(most);
          if (!this.isDead) resolve(reply);
        } catch (error) {
          if (!this.isDead) reject(asFailure(error));
        }
      };
      lane.parts.push({ size, act: done });
    });
  }

  /** The round is complete: it is done, or as much of it as the client's death allows. */
  async #end(): Promise<void> {
    const lanes = [...this.#lanes.values()];
    this.#lanes = new Map();
    const number = this.shapes.length;
    if (this.#isArmed) this.shapes.push(lanes.map(({ size }) => size));
    const dies = this.#isArmed && this.#point?.round === number;
    const kept = dies ? this.#point?.kept : undefined;
    if (dies) this.isDead = true;
    const work: unknown[] = [];
    for (const [i, { size, parts }] of lanes.entries()) {
      let left = kept?.[i] ?? size;
      for (const part of parts) {
        if (left > 0 || !dies) work.push(part.act(left));
        left = Math.max(0, left - part.size);
      }
    }
    await Promise.all(work);
    if (dies) this.die();
  }
}

/**
 * Every point at which a client with rounds of these shapes can die. One at which nothing of a
 * round was done is that at which all of the round before it was.
 */
export function pointsOf(shapes: readonly (readonly number[])[]): DeathPoint[] {
  return shapes.flatMap((sizes, round) => {
    let kepts: number[][] = [[]];
    for (const size of sizes) {
      const each = Array.from({ length: size + 1 }, (_, n) => n);
      kepts = kepts.flatMap((kept) => each.map((n) => [...kept, n]));
    }
    const isNew = (kept: readonly number[]): boolean => round === 0 || kept.some((n) => n > 0);
    return kepts.filter(isNew).map((kept) => ({ round, kept }));
  });
}
