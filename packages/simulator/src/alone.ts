// Runs one protocol to its end while nobody else moves: each round in the order of its posts, each
// call answered at once.

import { assert } from "@pdpm/base";
import {
  applyPosts,
  type Memory,
  type Operation,
  type Post,
  type Protocol,
  Verb,
} from "@pdpm/verbs";
import { LaterReply } from "./chore.ts";
import type { SimulatedClient } from "./task.ts";
import { unplaced } from "./trip.ts";

/** What a protocol that runs alone works with. */
export interface Surroundings {
  readonly memories: readonly Memory[];
  /** The reply to a call. */
  readonly answer: (post: Post) => unknown;
  /** A round passes. */
  readonly tick: () => void;
  readonly roundsMost: number;
}

/** See the head of this file. @throws what the protocol throws */
export function runAlone<T>(
  client: SimulatedClient,
  operation: Operation,
  protocol: Protocol<T>,
  surroundings: Surroundings,
): T {
  let step = protocol.next();
  for (let rounds = 0; !step.done; rounds += 1) {
    assert(rounds < surroundings.roundsMost, "a protocol that runs alone does not end");
    surroundings.tick();
    const round = step.value;
    operation.posting(round);
    if (operation.counters.count(round)) operation.roundTrips += 1;
    const replies = round.map((post) => apply(client, post, surroundings));
    operation.answered(round, replies);
    step = protocol.next(replies);
  }
  return step.value;
}

function apply(client: SimulatedClient, post: Post, { memories, answer }: Surroundings): unknown {
  if (post.verb === Verb.pause) return undefined;
  if (post.verb === Verb.call) {
    const reply = answer(post);
    assert(!(reply instanceof LaterReply), "nobody else is there to give a later reply");
    return reply;
  }
  post.node = client.chunks.place(post);
  if (post.node < 0) return unplaced(post);
  const replies = applyPosts(memories[post.node] as Memory, [post]);
  return (replies as readonly unknown[])[0];
}
