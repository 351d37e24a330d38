// What of a task's round is under way in an interleaved run, and what its posts are told when it
// never arrives.

import { PdpmError } from "@pdpm/base";
import { addressText } from "@pdpm/layout/address";
import type { Post } from "@pdpm/verbs";
import type { Flight } from "./in-flight.ts";
import type { Task } from "./task.ts";

/** A pause, or a call that is on its way to its server. */
export interface Errand {
  readonly post: Post;
  /** Where its reply belongs in the task's replies. */
  readonly place: number;
}

/** A part of a task's round: the verbs at one node, or an errand. */
export class Trip {
  readonly task: Task;
  readonly flight: Flight | undefined;
  readonly errand: Errand | undefined;
  wakeAt = 0;
  /** It was held up by its link, or its node, before its next micro-step. */
  hasWaited = false;

  constructor(task: Task, flight: Flight | undefined, errand: Errand | undefined) {
    this.task = task;
    this.flight = flight;
    this.errand = errand;
  }
}

/** The verb, or its reply, was lost with the connection. */
export function lost(): PdpmError {
  return new PdpmError("PDPM_UNAVAILABLE", "the connection broke", { outcome: "unknown" });
}

/** The node refuses this client. */
export function fenced(): PdpmError {
  return new PdpmError("PDPM_FENCED", "this client was given up by the others");
}

/** There is no such place. */
export function unplaced(post: Post): PdpmError {
  return new PdpmError("PDPM_UNAVAILABLE", `no memory node carries ${addressText(post.address)}`);
}
