// A coordinator put together: memory nodes, metadata service, router, runner, session,
// housekeeping. What is behind the nodes, the service and the membership (mapped files and LMDB in
// the directory, or sockets) was decided by the caller, and so is how clients reach `handle`.

import { type Clock, isPdpmError, PdpmError, type Prng } from "@pdpm/base";
import { metadataServer } from "@pdpm/metadata-server/protocol";
import {
  type CallHandler,
  ChunkMap,
  type CounterTable,
  type ExtendRequest,
  type Fabric,
  type NodeFabric,
  nodeServer,
  type Replies,
  type Round,
  Router,
  Runner,
} from "@pdpm/verbs";
import { change } from "./calls.ts";
import { Coordinator } from "./coordinator.ts";
import { giveEverythingBack } from "./hand-back.ts";
import { Housekeeping } from "./housekeeping.ts";
import { Session } from "./session.ts";
import {
  type Entering,
  type Judgement,
  type JudgeRequest,
  membersServer,
  takeOver,
} from "./takeover.ts";

/** What a coordinator stands on. */
export interface CentralHostParts {
  readonly clock: Clock;
  readonly prng: Prng;
  readonly label: {
    readonly chunkBytes: number;
    readonly chunksMost: number;
    readonly durability: "power" | "process";
  };
  /** Admitted under `clientId` already. */
  readonly nodes: readonly NodeFabric[];
  /** The metadata service: in this process, or at the other end of a socket. */
  readonly metadata: CallHandler;
  /** Never used before. It is the coordinator's term. */
  readonly clientId: number;
  readonly entering: Entering;
  /**
   * Whether a client may still post anything. When it says that `id` is dead, `id` can post nothing
   * any more, at any memory node: it was fenced there, or its process ended.
   */
  readonly judge: (id: number) => Promise<Judgement>;
  /** Everything of `id` was taken back. */
  readonly buried: (id: number) => void;
  /** Another one is in office, or a memory node refuses this one: `handle` refuses from now on. */
  readonly deposed: () => void;
  /** Entries of the mapping in memory. @defaultValue 1,000,000 */
  readonly mappingMost?: number;
  /** Deadline of taking over. Milliseconds. */
  readonly timeoutMs: number;
  readonly counters: CounterTable;
}

/** Passes rounds until the coordinator is deposed. */
class TermFabric implements Fabric {
  readonly #fabric: Fabric;
  #ended: PdpmError | undefined;

  constructor(fabric: Fabric) {
    this.#fabric = fabric;
  }

  end(): void {
    this.#ended ??= new PdpmError("PDPM_FENCED", "this coordinator was deposed");
  }

  get isEnded(): boolean {
    return this.#ended !== undefined;
  }

  post(round: Round): Replies | Promise<Replies> {
    const ended = this.#ended;
    return ended === undefined ? this.#fabric.post(round) : round.map(() => ended);
  }
}

/** A coordinator in office. */
export class CentralHost {
  readonly coordinator: Coordinator;
  readonly housekeeping: Housekeeping;
  readonly #parts: CentralHostParts;
  readonly #fabric: TermFabric;
  readonly #runner: Runner;

  private constructor(parts: CentralHostParts) {
    const { clock, prng, label, nodes, clientId, counters } = parts;
    this.#parts = parts;
    const chunks = new ChunkMap(label.chunkBytes);
    const router = new Router(clock, chunks, nodes, serversOf(parts));
    this.#fabric = new TermFabric(router);
    this.#runner = new Runner(this.#fabric, clock, counters);
    const session = new Session({
      clientId,
      chunks,
      chunksMost: label.chunksMost,
      durability: label.durability,
      mappingMost: parts.mappingMost ?? 1_000_000,
      prng,
      wake: () => this.housekeeping.wake(),
      buried: parts.buried,
    });
    this.coordinator = new Coordinator(session, this.#runner, () => this.depose());
    this.housekeeping = new Housekeeping(clock, this.coordinator, () => this.depose());
  }

  /**
   * Takes the office: fences and settles what was in it before. Nothing is served before.
   * @throws PDPM_IN_USE when another coordinator lives; what memory nodes and service throw
   */
  static async start(parts: CentralHostParts): Promise<CentralHost> {
    const host = new CentralHost(parts);
    const { timeoutMs, entering } = parts;
    const takingOver = host.coordinator.run("open", (context) => takeOver(context, entering), {
      timeoutMs,
    });
    try {
      await takingOver;
    } catch (error) {
      host.#fabric.end();
      throw error;
    }
    host.housekeeping.begin();
    return host;
  }

  /** What answers clients: see protocol.ts. */
  readonly handle: CallHandler = (request) => this.coordinator.handle(request);

  /** A memory node or the service refuses this id: another coordinator took over, or will. */
  depose(): void {
    if (this.#fabric.isEnded) return;
    this.#fabric.end();
    this.coordinator.close();
    this.housekeeping.end();
    this.#parts.deposed();
  }

  /**
   * Refuses what comes, ends what is running, gives everything back and leaves the office, at most
   * `timeoutMs`; the rest is left to the next coordinator, as after a death.
   */
  async close(timeoutMs: number): Promise<void> {
    const { clock } = this.#parts;
    const endAt = clock.now() + timeoutMs;
    const left = (): number => Math.max(0, endAt - clock.now());
    this.coordinator.close();
    const ended = (async () => {
      await this.housekeeping.stop();
      await this.#runner.idle();
    })();
    try {
      await this.#runner.waits.until(ended, { timeoutMs }, (why) => why);
      await this.coordinator.run("close", giveEverythingBack, { timeoutMs: left() });
      // "owes": with something in doubt the record stays, and the next one settles it.
      await this.coordinator.run("close", (context) => change(context, { do: "leave" }), {
        timeoutMs: left(),
      });
    } catch (error) {
      if (!isPdpmError(error)) throw error;
    } finally {
      this.#fabric.end();
    }
  }
}

function serversOf({ nodes, metadata, judge }: CentralHostParts): Map<string, CallHandler> {
  const servers = new Map<string, CallHandler>([
    [metadataServer, metadata],
    [membersServer, (request) => judge((request as JudgeRequest).judge)],
  ]);
  for (const [i, node] of nodes.entries()) {
    servers.set(nodeServer(i), (request) => node.extend((request as ExtendRequest).extend));
  }
  return servers;
}
