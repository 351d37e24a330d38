// The connections between clients and nodes, and how they fail other than by breaking at once:
//
//   cut      nothing can be posted for a while: the client is told so, and nothing was applied
//   clogged  what is posted waits, and goes on when the clog is over
//   deaf     requests do not arrive; after a while the connection breaks
//   mute     requests are carried out, replies do not arrive; after a while the connection breaks
//   slow     a node takes long for everything, whoever asks
//
// Deaf and mute are the two halves of a half-open connection, or of a partition one way: who posts
// cannot tell them apart.

import { PdpmError } from "@pdpm/base";
import type { SimulatedClient } from "./task.ts";

/** Until which step each holds. */
interface Link {
  cutUntil: number;
  clogUntil: number;
  muteUntil: number;
}

/** The links of one run. */
export class Links {
  readonly #links = new Map<string, Link>();
  readonly #slowNodes = new Map<number, { until: number; readonly steps: number }>();

  /** The link of a client to a node, to be made worse. */
  of(client: SimulatedClient, node: number): Link {
    const name = `${client.id} ${node}`;
    let link = this.#links.get(name);
    if (link === undefined) {
      link = { cutUntil: 0, clogUntil: 0, muteUntil: 0 };
      this.#links.set(name, link);
    }
    return link;
  }

  /** The node takes `steps` micro-steps for each of its own, until then. */
  slow(node: number, until: number, steps: number): void {
    this.#slowNodes.set(node, { until, steps });
  }

  /** All are whole again, and nobody is slow. */
  heal(): void {
    this.#links.clear();
    this.#slowNodes.clear();
  }

  isCut(client: SimulatedClient, node: number, now: number): boolean {
    return this.#links.size > 0 && this.of(client, node).cutUntil > now;
  }

  isMute(client: SimulatedClient, node: number, now: number): boolean {
    return this.#links.size > 0 && this.of(client, node).muteUntil > now;
  }

  /** The step at which a node may do its next micro-step for a client, at the earliest. */
  goesOnAt(client: SimulatedClient, node: number, now: number): number {
    const clogUntil = this.#links.size === 0 ? 0 : this.of(client, node).clogUntil;
    if (this.#slowNodes.size === 0) return clogUntil;
    const slow = this.#slowNodes.get(node);
    return Math.max(clogUntil, slow === undefined || now >= slow.until ? 0 : now + slow.steps);
  }
}

/** Nothing can be posted there. */
export function cutOff(): PdpmError {
  return new PdpmError("PDPM_UNAVAILABLE", "the node cannot be reached");
}
