// One client of a Clover store, put together: memory nodes, metadata service, router, runner,
// session, housekeeping. What is behind the nodes, the service and the membership (mapped files and
// LMDB in the directory, or sockets) was decided by the caller.

import { type Clock, isPdpmError, Prng } from "@pdpm/base";
import { CloverBackend, change, Session } from "@pdpm/clover";
import type { StoreLabel } from "@pdpm/layout/region-header";
import { metadataServer } from "@pdpm/metadata-server/protocol";
import {
  type CallHandler,
  ChunkMap,
  type CounterTable,
  type ExtendRequest,
  type NodeFabric,
  nodeServer,
  Router,
  Runner,
} from "@pdpm/verbs";
import { CloverHousekeeping } from "./clover-housekeeping.ts";
import { Gate } from "./gate.ts";
import type { Identity, Membership } from "./membership.ts";
import type { Eviction } from "./options.ts";

/** What a client stands on. */
export interface CloverParts {
  readonly clock: Clock;
  readonly label: StoreLabel;
  readonly nodes: readonly NodeFabric[];
  /** The metadata service: in this process, or at the other end of a socket. */
  readonly metadata: CallHandler;
  readonly membership: Membership;
  /** See HousekeepingOptions. */
  readonly looks: boolean;
  readonly heardAt?: (id: number) => number;
  /** Shows a metadata server that this client lives; embedded ones hold a lease file. */
  readonly pulse?: (clientId: number) => void;
  readonly cursors: number;
  readonly eviction: Eviction | undefined;
  readonly timeoutMs: number;
  /** Counts what was posted before the client was put together, too. */
  readonly counters: CounterTable;
  /** The last step of close(). */
  readonly end: () => Promise<void>;
}

/** An open client. */
export class CloverClient {
  readonly backend: CloverBackend;
  readonly housekeeping: CloverHousekeeping;
  readonly #parts: CloverParts;
  readonly #router: Router;
  readonly #runner: Runner;
  readonly #chunks: ChunkMap;
  readonly #prng: Prng = Prng.random();
  #identity: Identity;
  #gate: Gate;
  #isFenced = false;

  private constructor(parts: CloverParts, identity: Identity) {
    const { label, nodes, clock, membership, metadata } = parts;
    this.#parts = parts;
    this.#identity = identity;
    this.#chunks = new ChunkMap(label.chunkBytes);
    this.housekeeping = new CloverHousekeeping(clock, {
      membership,
      before: async () => {
        await this.#renewIfFenced();
        parts.pulse?.(this.#identity.clientId);
      },
      looks: parts.looks,
      heardAt: parts.heardAt ?? (() => 0),
    });
    const servers = new Map<string, CallHandler>([[metadataServer, metadata]]);
    for (const [i, node] of nodes.entries()) {
      servers.set(nodeServer(i), (request) => node.extend((request as ExtendRequest).extend));
    }
    this.#router = new Router(clock, this.#chunks, nodes, servers);
    this.#gate = new Gate(this.#router);
    this.#runner = new Runner(this.#gate, clock, parts.counters);
    const leave = (timeoutMs: number): Promise<void> => this.#leave(timeoutMs);
    this.backend = new CloverBackend(this.#session(identity), this.#runner, clock, leave);
  }

  /** Enters the store. On failure nothing is left behind, and `parts.end` was called. */
  static async open(parts: CloverParts): Promise<CloverClient> {
    let identity: Identity | undefined;
    try {
      identity = await parts.membership.enter();
      const client = new CloverClient(parts, identity);
      await client.#enter(client.#runner, client.backend.session, identity);
      client.housekeeping.begin(client.backend);
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
    const { label, cursors, eviction } = this.#parts;
    return new Session({
      clientId,
      chunks: this.#chunks,
      chunksMost: label.chunksMost,
      durability: label.durability,
      cursorsMost: cursors,
      eviction,
      prng: this.#prng.fork(`session ${clientId}`),
      running: () => this.#runner.running(),
      wake: () => this.housekeeping.wake(),
    });
  }

  /** From here on the service hands out buffers to this id, and the others may have to reap it. */
  async #enter(runner: Runner, session: Session, { kind }: Identity): Promise<void> {
    const { timeoutMs } = this.#parts;
    const operation = runner.operation("open");
    const context = { session, operation };
    const as = kind === 1 ? "file" : "pulse";
    const enter = change(context, { do: "enter", pid: process.pid, kind: as });
    await runner.run(operation, enter, { timeoutMs });
    await runner.run(operation, session.table.load(context), { timeoutMs });
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
    try {
      await this.#enter(new Runner(gate, clock, counters), session, identity);
    } catch (error) {
      await identity.leave();
      throw error;
    }
    this.#identity = identity;
    this.#gate = gate;
    this.#runner.switchTo(gate);
    this.backend.renew(session);
    await old.leave();
    // Its buffers are taken back like anybody's: fenced first, reclaimed second.
    void this.housekeeping.reap(old.clientId); // Never rejects.
  }

  /**
   * A server that does not answer keeps nobody: what is left after `timeoutMs` is the others'
   * affair.
   */
  async #leave(timeoutMs: number): Promise<void> {
    const { clock } = this.#parts;
    const endAt = clock.now() + timeoutMs;
    try {
      const stopped = this.housekeeping.stop();
      await this.#runner.waits.until(stopped, { timeoutMs }, (why) => why);
      // "owes": with something unsettled the record stays, and the others take it back.
      await this.backend.run("close", (context) => change(context, { do: "leave" }), {
        timeoutMs: Math.max(0, endAt - clock.now()),
      });
    } catch (error) {
      if (!isPdpmError(error)) throw error;
    } finally {
      // Without its lease the others reclaim: nothing that still runs may post any more (H6).
      this.#gate.closed();
      await this.#identity.leave();
      await this.#parts.end();
    }
  }
}
