// One client of a Direct store, put together: memory nodes, router, runner, session, lease,
// housekeeping. What is behind the nodes and the membership (mapped files or sockets) was decided
// by the caller.

import { type Clock, isPdpmError, Prng } from "@pdpm/base";
import {
  DirectBackend,
  type ExtendRequest,
  enterTable,
  freeLease,
  type JudgeRequest,
  membersServer,
  nodeServer,
  Session,
  takeLease,
} from "@pdpm/direct";
import type { Address } from "@pdpm/layout";
import type { StoreLabel } from "@pdpm/layout/region-header";
import {
  type CallHandler,
  ChunkMap,
  type CounterTable,
  type NodeFabric,
  Router,
  Runner,
} from "@pdpm/verbs";
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
    const leave = (timeoutMs: number): Promise<void> => this.#leave(timeoutMs);
    this.backend = new DirectBackend(this.#session(identity), this.#runner, clock, leave);
  }

  /** Enters the store. On failure nothing is left behind, and `parts.end` was called. */
  static async open(parts: DirectParts): Promise<DirectClient> {
    let identity: Identity | undefined;
    try {
      identity = await parts.membership.enter();
      const client = new DirectClient(parts, identity);
      const { session } = client.backend;
      client.#begin(await client.#takeLease(client.#runner, session, identity));
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

  #session({ clientId }: Identity): Session {
    const { label, nodes, cursors } = this.#parts;
    return new Session({
      clientId,
      chunks: this.#chunks,
      nodeCount: nodes.length,
      chunksMost: label.chunksMost,
      durability: label.durability,
      cursorsMost: cursors,
      prng: this.#prng.fork(`session ${clientId}`),
      running: () => this.#runner.running(),
    });
  }

  /** Shows the others that `session` lives. Nothing may be locked in its name before. */
  async #takeLease(runner: Runner, session: Session, { kind }: Identity): Promise<Address> {
    const { timeoutMs } = this.#parts;
    await runner.run(runner.operation("open"), enterTable(session), { timeoutMs });
    const take = takeLease(session, process.pid, kind);
    return await runner.run(runner.operation("open"), take, { timeoutMs });
  }

  #begin(lease: Address): void {
    this.#lease = lease;
    this.housekeeping.begin(this.backend, lease);
  }

  async #renewIfFenced(): Promise<void> {
    if (!this.#isFenced) return;
    // A node that refuses the new id, too, while we are at it, sets this again.
    this.#isFenced = false;
    try {
      await this.#renew();
    } catch (error) {
      this.#isFenced = true;
      throw error;
    }
  }

  async #renew(): Promise<void> {
    const { membership, clock, counters } = this.#parts;
    const old = this.#identity;
    // Nothing of the old id is posted any more before the new one is admitted anywhere.
    this.#gate.fenced(old.clientId);
    const identity = await membership.enter();
    const gate = new Gate(this.#router);
    const session = this.#session(identity);
    let lease: Address;
    try {
      lease = await this.#takeLease(new Runner(gate, clock, counters), session, identity);
    } catch (error) {
      await identity.leave();
      throw error;
    }
    // From here on, at once, operations start under the new id: who meets its locks finds its
    // lease.
    this.#identity = identity;
    this.#gate = gate;
    this.#runner.switchTo(gate);
    this.backend.renew(session);
    this.#begin(lease);
    await old.leave();
    // Its locks and cells are taken back like anybody's: fenced first, reclaimed second.
    void this.housekeeping.reap(old.clientId); // Never rejects.
  }

  /**
   * A node that does not answer keeps nobody: what is left after `timeoutMs` is the others' affair.
   */
  async #leave(timeoutMs: number): Promise<void> {
    const { clock } = this.#parts;
    const { clientId } = this.#identity;
    const endAt = clock.now() + timeoutMs;
    try {
      const stopped = this.housekeeping.stop();
      await this.#runner.waits.until(stopped, { timeoutMs }, (why) => why);
      const isSettled = this.backend.session.doubts.size === 0;
      // With something unsettled the record stays: the others take it back as from the dead.
      if (isSettled) {
        const { session } = this.backend;
        await this.backend.run("close", () => freeLease(session, this.#lease, clientId, "live"), {
          timeoutMs: Math.max(0, endAt - clock.now()),
        });
      }
    } catch (error) {
      if (!isPdpmError(error)) throw error; // The node is gone: the others settle it.
    } finally {
      // Without its lease the others reclaim: nothing that still runs may post any more (H6).
      this.#gate.closed();
      await this.#identity.leave();
      await this.#parts.end();
    }
  }
}
