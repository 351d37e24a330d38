// One client of a Direct store, put together: memory nodes, router, runner, session, lease, housekeeping.
// What is behind the nodes and the membership (mapped files or sockets) was decided by the caller.

import { type Clock, isPdpmError, Prng } from "@pdpm/base";
import {
  DirectBackend,
  type ExtendRequest,
  freeLease,
  type JudgeRequest,
  membersServer,
  nodeServer,
  Session,
  takeLease,
} from "@pdpm/direct";
import type { Address } from "@pdpm/layout";
import type { StoreLabel } from "@pdpm/layout/region-header";
import { type CallHandler, ChunkMap, type CounterTable, type NodeFabric, Router, Runner } from "@pdpm/verbs";
import { Gate } from "./gate.ts";
import { Housekeeping } from "./housekeeping.ts";
import type { Identity, Membership } from "./membership.ts";

/** What a client stands on. */
export interface DirectParts {
  readonly clock: Clock;
  readonly label: StoreLabel;
  readonly nodes: readonly NodeFabric[];
  readonly membership: Membership;
  readonly cursors: number;
  readonly timeoutMs: number;
  /** Counts what was posted before the client was put together, too. */
  readonly counters: CounterTable;
  /** The last step of close(). */
  readonly end: () => Promise<void>;
}

/** An open client. */
export class DirectClient {
  readonly backend: DirectBackend;
  readonly housekeeping: Housekeeping;
  readonly #parts: DirectParts;
  readonly #router: Router;
  readonly #runner: Runner;
  readonly #chunks: ChunkMap;
  readonly #prng: Prng = Prng.random();
  #identity: Identity;
  #lease: Address = 0;
  #gate: Gate;
  #isFenced = false;

  private constructor(parts: DirectParts, identity: Identity) {
    const { label, nodes, clock, membership } = parts;
    this.#parts = parts;
    this.#identity = identity;
    this.#chunks = new ChunkMap(label.chunkBytes);
    this.housekeeping = new Housekeeping(clock, membership, () => this.#renewIfFenced());
    const servers = new Map<string, CallHandler>([
      [membersServer, (request) => this.housekeeping.judge(request as JudgeRequest)],
    ]);
    for (const [i, node] of nodes.entries()) {
      servers.set(nodeServer(i), (request) => node.extend((request as ExtendRequest).extend));
    }
    this.#router = new Router(clock, this.#chunks, nodes, servers);
    this.#gate = new Gate(this.#router);
    this.#runner = new Runner(this.#gate, clock, parts.counters);
    this.backend = new DirectBackend(this.#session(), this.#runner, clock, () => this.#leave());
  }

  /** Enters the store. On failure nothing is left behind, and `parts.end` was called. */
  static async open(parts: DirectParts): Promise<DirectClient> {
    let identity: Identity | undefined;
    try {
      identity = await parts.membership.enter();
      const client = new DirectClient(parts, identity);
      await client.#begin();
      return client;
    } catch (error) {
      await identity?.leave();
      await parts.end();
      throw error;
    }
  }

  /** The others have given this client up: it goes on under a new id as soon as it can. */
  fenced(): void {
    this.#isFenced = true;
    this.housekeeping.hurry();
  }

  #session(): Session {
    const { label, nodes, cursors } = this.#parts;
    return new Session({
      clientId: this.#identity.clientId,
      chunks: this.#chunks,
      nodeCount: nodes.length,
      chunksMost: label.chunksMost,
      durability: label.durability,
      cursorsMost: cursors,
      prng: this.#prng.fork(`session ${this.#identity.clientId}`),
      running: () => this.#runner.running(),
    });
  }

  async #begin(): Promise<void> {
    const { backend } = this;
    const { timeoutMs } = this.#parts;
    const { session } = backend;
    await backend.run("open", () => session.table.load(), { timeoutMs });
    const { kind } = this.#identity;
    const take = (): ReturnType<typeof takeLease> => takeLease(session, process.pid, kind);
    this.#lease = await backend.run("open", take, { timeoutMs });
    this.housekeeping.begin(backend, this.#lease);
  }

  async #renewIfFenced(): Promise<void> {
    if (!this.#isFenced) return;
    const old = this.#identity;
    // Nothing of the old id is posted any more before the new one is admitted anywhere.
    this.#gate.close(old.clientId);
    this.#identity = await this.#parts.membership.enter();
    this.#gate = new Gate(this.#router);
    this.#runner.switchTo(this.#gate);
    this.backend.renew(this.#session());
    await this.#begin();
    this.#isFenced = false;
    await old.leave();
    // Its locks and cells are taken back like anybody's: fenced first, reclaimed second.
    void this.housekeeping.reap(old.clientId); // Never rejects.
  }

  async #leave(): Promise<void> {
    const { clientId } = this.#identity;
    try {
      await this.housekeeping.stop();
      const isSettled = this.backend.session.doubts.size === 0;
      // With something unsettled the record stays: the others take it back as from the dead.
      if (isSettled) {
        const { session } = this.backend;
        await this.backend.run(
          "close",
          () => freeLease(session, this.#lease, clientId, "live"),
          { timeoutMs: this.#parts.timeoutMs },
        );
      }
    } catch (error) {
      if (!isPdpmError(error)) throw error; // The node is gone: the others settle it.
    } finally {
      await this.#identity.leave();
      await this.#parts.end();
    }
  }
}
