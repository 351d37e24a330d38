// A Clover store of one or two memory nodes and its metadata service, its clients, and all that
// goes wrong with them, from one seed. At the end the survivors have left, a fresh client has taken
// back what the dead held and collected everything, and the store is looked at as a whole: its
// history, its values, its space, and what a repair would find (clover-audit.ts).

import { assert, hold, PdpmError, Prng } from "@pdpm/base";
import { storeBreaches } from "@pdpm/checker";
import {
  ask,
  type Context,
  change,
  collectAll,
  giveEverythingBack,
  handBack,
  readKey,
  reapClient,
} from "@pdpm/clover";
import type { Found, Key } from "@pdpm/kv";
import { numberWord } from "@pdpm/layout";
import { headerWordOffset, regionHeaderBytes } from "@pdpm/layout/region-header";
import { MemoryStore } from "@pdpm/metadata-server";
import { type MetadataRequest, metadataServer } from "@pdpm/metadata-server/protocol";
import { DurableMemory, type Ended, Interleaver, type SimulatedClient } from "@pdpm/simulator";
import { type ExtendRequest, nodeServer, type Protocol } from "@pdpm/verbs";
import { Ageing } from "./buffer-ageing.ts";
import { auditStore } from "./clover-audit.ts";
import { Client } from "./clover-client.ts";
import { Failures } from "./clover-failures.ts";
import { Identity, join } from "./clover-identity.ts";
import { type Plan, planOf } from "./clover-plan.ts";
import { wordText } from "./clover-words.ts";
import { FaultCounts } from "./fault-counts.ts";
import { History, identityOf } from "./history.ts";
import { MetadataCalls } from "./metadata-calls.ts";
import { chunkBytes } from "./plan-parts.ts";
import type { AuditReport } from "./space-audit.ts";

/** One seed's store and clients. */
export class World {
  readonly plan: Plan;
  readonly prng: Prng;
  readonly memories: readonly DurableMemory[];
  readonly interleaver: Interleaver;
  readonly history: History = new History();
  readonly faultCounts: FaultCounts = new FaultCounts();
  readonly ageing: Ageing;
  readonly store: MemoryStore;
  readonly calls: MetadataCalls;
  readonly identities: Map<number, Identity> = new Map();
  readonly clients: Client[] = [];
  readonly #failures: Failures;
  /** Some operation failed, so somebody may not know what became of what it asked for. */
  #isUnsure = false;
  report: AuditReport | undefined;

  /** `changes` are made to what the seed stands for. */
  constructor(seed: number, isTraced = false, changes: Partial<Plan> = {}) {
    this.plan = { ...planOf(seed), ...changes };
    this.prng = new Prng(`clover ${seed}`);
    const { plan, prng } = this;
    const { stallChance, stallStepsMost, slowFlushChance, nodeCount, chunksMost } = plan;
    const bytes = regionHeaderBytes + Math.ceil(chunksMost / nodeCount) * chunkBytes;
    this.memories = Array.from({ length: nodeCount }, () => new DurableMemory(bytes));
    this.memories[0]?.write(
      headerWordOffset.commitHighWater,
      new Uint8Array(new BigUint64Array([numberWord(0)]).buffer),
    );
    this.memories[0]?.flush(0, regionHeaderBytes);
    this.ageing = new Ageing(this.memories, chunkBytes, prng.fork("ageing"));
    this.store = new MemoryStore({
      conflicts: { prng: prng.fork("conflicts"), chance: plan.conflictChance },
      afterCommit: (writes) => {
        if (plan.isOld) this.ageing.committed(writes);
      },
    });
    this.interleaver = new Interleaver({
      seed: `clover steps ${seed}`,
      memories: this.memories,
      answer: (client, server, request) => this.#answer(client, server, request),
      stallChance,
      stallStepsMost,
      slowFlushChance,
      ...(isTraced ? { trace: { wordText } } : {}),
    });
    this.#failures = new Failures(this);
    const { interleaver, store } = this;
    const { callTimeoutMs, commitRecordsMost } = plan;
    const label = { chunkBytes, chunksMost, nodeCount };
    this.calls = new MetadataCalls(
      { interleaver, store, label, regionHeaderBytes, callTimeoutMs, commitRecordsMost },
      plan.calls,
      prng.fork("calls"),
      this.faultCounts,
    );
  }

  /** Runs the seed to its end. @throws what is wrong. */
  async run(): Promise<void> {
    for (let i = 0; i < this.plan.people; i += 1) {
      const client = new Client(this, i);
      this.clients.push(client);
      await this.#alone(client.identity, "open", (context) => join(context, client.identity));
    }
    this.#failures.begin();
    for (const client of this.clients) client.go();
    await this.interleaver.runWaiting();
    if (this.plan.powerFailuresMost > 0 && this.prng.chance(0.5)) {
      // What was acknowledged last is most likely to be lost, and nobody has looked at it since.
      await this.#failures.losePower();
      await this.interleaver.runWaiting();
    }
    this.#failures.end();
    await this.#close();
    await this.#inspect();
  }

  /** What was client `id` is taken back. */
  buried(id: number): void {
    const identity = this.identities.get(id);
    if (identity !== undefined) identity.isBuried = true;
  }

  /** A client under an id that nobody had. */
  newIdentity(): Identity {
    const identity = new Identity(this, this.identities.size + 1);
    this.identities.set(identity.session.clientId, identity);
    return identity;
  }

  /** Whether an operation may end so in this world. @throws the error if not. */
  excuse(error: PdpmError): void {
    const { plan } = this;
    const isTroubled = plan.disconnectChance + plan.suspectChance > 0;
    const isExpected =
      (error.code === "PDPM_NO_SPACE" && plan.isSmall) ||
      (error.code === "PDPM_UNAVAILABLE" && isTroubled && !this.#failures.healing.isSound) ||
      (error.code === "PDPM_FENCED" && plan.suspectChance > 0) ||
      (error.code === "PDPM_TIMEOUT" && plan.leaveChance > 0);
    if (!isExpected) throw error;
    if (error.code === "PDPM_NO_SPACE") this.faultCounts.add("operation finds no space");
    this.#isUnsure = true;
  }

  #answer(client: SimulatedClient, server: string, request: unknown): unknown {
    if (server === metadataServer) return this.calls.ask(client.id, request as MetadataRequest);
    assert(server === nodeServer(0) || server === nodeServer(1), `nobody is called ${server}`);
    if ((request as ExtendRequest).extend <= (this.memories[0] as DurableMemory).sizeBytes) return;
    throw new PdpmError("PDPM_NO_SPACE", "the node is full");
  }

  /** Runs one protocol to its end. @throws how it ended, if it failed. */
  async #alone<T>(
    identity: Identity,
    kind: string,
    protocol: (context: Context) => Protocol<T>,
  ): Promise<T> {
    const { simulated } = identity;
    const operation = simulated.operation(kind);
    const body = protocol(identity.context(operation));
    let result: Ended<T> | undefined;
    this.interleaver.spawn(simulated, operation, kind, body, (ended) => {
      result = ended;
    });
    await this.interleaver.runWaiting();
    assert(result !== undefined, `${kind} has ended`);
    if ("error" in result) throw result.error;
    return result.value;
  }

  /** The living leave, side by side, as packages/client/src/clover-client.ts; some just stop. */
  async #close(): Promise<void> {
    for (const { identity } of this.clients) {
      const { simulated } = identity;
      if (simulated.isKilled || simulated.isFenced || !identity.hasEntered) continue;
      if (this.prng.chance(0.2)) {
        this.interleaver.kill(simulated);
        this.calls.clientDied(simulated.id);
        continue;
      }
      const operation = simulated.operation("close");
      const context = identity.context(operation);
      const leave = function* (): Protocol<"left" | "owes"> {
        yield* giveEverythingBack(context);
        return yield* change(context, { do: "leave" });
      };
      this.interleaver.spawn(simulated, operation, "close", leave(), (ended) => {
        if ("error" in ended) this.excuse(ended.error as PdpmError);
        else identity.hasLeft = ended.value === "left";
        // Who knows what became of all that it asked for, and gave everything back, owes nothing.
        // Of one that was stopped when its caller left, a lease may not be known.
        const mayOwe = this.#isUnsure || simulated.isFenced || this.plan.leaveChance > 0;
        const text = `client ${simulated.id} owes buffers that it has not`;
        hold(mayOwe || identity.hasLeft ? [] : [{ invariant: "I8", text }]);
      });
    }
    await this.interleaver.runWaiting();
    for (const { simulated } of this.identities.values()) this.interleaver.kill(simulated);
  }

  async #inspect(): Promise<void> {
    const { plan, history, interleaver } = this;
    const fresh = this.newIdentity();
    await this.#alone(fresh, "open", (context) => join(context, fresh));
    for (const { simulated } of this.identities.values()) {
      if (simulated !== fresh.simulated) interleaver.fence(simulated);
    }
    await this.#reapAll(fresh);
    // What is still on its way, from whomever, changes nothing any more but who has entered.
    await interleaver.runWaiting(true);
    await this.#reapAll(fresh);
    await this.#alone(fresh, "collect", collectAll);
    await this.#alone(fresh, "hand back", (context) => handBack(context, () => true));
    await this.#readAll(fresh);
    hold(history.breaches());
    await this.#audit();
    if (plan.durability === "process") return;
    this.faultCounts.add("power fails at the end");
    interleaver.trace?.note(interleaver.steps, "the power fails at the end");
    for (const memory of this.memories) memory.fail(this.prng);
    await this.#audit();
  }

  /** Takes back what the dead held, as far as the service knows them. */
  async #reapAll(fresh: Identity): Promise<void> {
    const { clientId } = fresh.session;
    const clients = await this.#alone(fresh, "look", (context) => ask(context, { ask: "clients" }));
    for (const { id } of clients) {
      if (id === clientId) continue;
      await this.#alone(fresh, "reap", (context) => reapClient(context, id));
    }
  }

  async #audit(): Promise<void> {
    this.report = await auditStore(this);
    hold(storeBreaches(this.report), this.ageing.problems());
  }

  /** The final read of every key. */
  async #readAll(fresh: Identity): Promise<void> {
    for (const key of this.plan.keys) {
      const { steps } = this.interleaver;
      this.sees(
        100,
        key,
        await this.#alone(fresh, "get", (context) => readKey(context, key)),
        steps,
      );
    }
  }

  /** Somebody who is no client of the plan reads a key. */
  sees(client: number, key: Key, found: Found | undefined, start = this.interleaver.steps): void {
    const entry = this.history.begin(client, "get", key, start);
    entry.value = found === undefined ? null : identityOf(found.value);
    entry.version = found?.version ?? null;
    entry.outcome = "ok";
    entry.end = this.interleaver.steps;
  }
}
