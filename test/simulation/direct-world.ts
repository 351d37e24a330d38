// A Direct store of two memory nodes, its clients, and all that goes wrong with them, from one
// seed. At the end the survivors have finished, a fresh client has taken back what the dead held,
// and the store is looked at as a whole: its history, its values, its space. Where the power may
// fail it fails once more then, and all of it is looked at again.

import { assert, hold, PdpmError, Prng } from "@pdpm/base";
import { everythingEnds, storeBreaches } from "@pdpm/checker";
import {
  type AuditReport,
  auditStore,
  bucketsPerPage,
  freeLease,
  type Judgement,
  membersServer,
  nodeServer,
  readKey,
  readLeases,
  settle,
  writeKey,
} from "@pdpm/direct";
import { type Key, WriteBatch, WriteRequest } from "@pdpm/kv";
import { regionHeaderBytes } from "@pdpm/layout/region-header";
import { DurableMemory, Interleaver, type SimulatedClient } from "@pdpm/simulator";
import { ArrayMemory, type Memory, type Operation, type Protocol } from "@pdpm/verbs";
import type { Context } from "../../packages/direct/src/session.ts";
import { accountOf } from "./direct-account.ts";
import { Ageing } from "./direct-ageing.ts";
import { Client } from "./direct-client.ts";
import { Identity, join, reap } from "./direct-identity.ts";
import { chunkBytes, homeAndFingerprint } from "./direct-keys.ts";
import { type Plan, planOf } from "./direct-plan.ts";
import { wordText } from "./direct-words.ts";
import { FaultCounts } from "./fault-counts.ts";
import { Healing } from "./healing.ts";
import { History, identityOf, valueBytesOf } from "./history.ts";
import { troubleNetwork } from "./network-trouble.ts";
import { inSlowFlush } from "./slow-flush.ts";

/** Bytes of one node's memory: chunks are cut where there are fewest, so each node has half. */
function nodeBytesOf(plan: Plan): number {
  return regionHeaderBytes + Math.ceil(plan.chunksMost / 2) * chunkBytes;
}

/** One seed's store and clients. */
export class World {
  readonly plan: Plan;
  readonly prng: Prng;
  readonly memories: readonly Memory[];
  readonly interleaver: Interleaver;
  readonly history: History = new History();
  readonly faultCounts: FaultCounts = new FaultCounts();
  readonly ageing: Ageing;
  /** The same, where the power may fail. */
  readonly #failing: readonly DurableMemory[];
  readonly #identities = new Map<number, Identity>();
  readonly #clients: Client[] = [];
  /** They die as soon as a round of theirs is applied in part. */
  readonly #doomed = new Set<Client>();
  #kills = 0;
  #powerFailures = 0;
  #isOver = false;
  readonly #healing: Healing;
  report: AuditReport | undefined;

  /** `changes` are made to what the seed stands for. */
  constructor(seed: number, isTraced = false, changes: Partial<Plan> = {}) {
    this.plan = { ...planOf(seed), ...changes };
    this.prng = new Prng(`world ${seed}`);
    const { stallChance, stallStepsMost, slowFlushChance, powerFailuresMost } = this.plan;
    const bytes = nodeBytesOf(this.plan);
    const make = <M>(memory: new (bytes: number) => M): M[] => [
      new memory(bytes),
      new memory(bytes),
    ];
    this.#failing = powerFailuresMost > 0 ? make(DurableMemory) : [];
    this.memories = powerFailuresMost > 0 ? this.#failing : make(ArrayMemory);
    this.ageing = new Ageing(this.memories, this.prng.fork("ageing"));
    this.interleaver = new Interleaver({
      seed: `steps ${seed}`,
      memories: this.memories,
      answer: (client, server, request) => this.#answer(client, server, request),
      stallChance,
      stallStepsMost,
      slowFlushChance,
      ...(isTraced ? { trace: { wordText } } : {}),
    });
    this.#healing = new Healing(this);
  }

  /** Runs the seed to its end. @throws what is wrong. */
  run(): void {
    this.#fill();
    for (let i = 0; i < this.plan.people; i += 1) {
      const client = new Client(this, i);
      this.#clients.push(client);
      this.#alone(client.identity, "open", (context) => join(context, client.identity));
    }
    this.#disturb();
    for (const client of this.#clients) client.go();
    this.interleaver.run();
    this.#healing.ended();
    this.#isOver = true;
    this.interleaver.calm();
    this.#settleAll();
    for (const { identity } of this.#clients) this.#leave(identity);
    this.#inspect();
    if (this.#failing.length === 0) return;
    this.faultCounts.add("power fails at the end");
    this.#loseMemory("the power fails at the end");
    this.#inspect();
  }

  /** A client under an id that nobody had. */
  newIdentity(): Identity {
    const identity = new Identity(this, this.#identities.size + 1);
    this.#identities.set(identity.session.clientId, identity);
    return identity;
  }

  /** Whether an operation may end so in this world. @throws the error if not. */
  excuse(error: PdpmError): void {
    const { plan } = this;
    const isTroubled = plan.disconnectChance + plan.suspectChance > 0;
    const isExpected =
      (error.code === "PDPM_NO_SPACE" && plan.chunksMost < 8) ||
      (error.code === "PDPM_UNAVAILABLE" && isTroubled && !this.#healing.isSound) ||
      (error.code === "PDPM_FENCED" && plan.suspectChance > 0) ||
      (error.code === "PDPM_TIMEOUT" && plan.leaveChance > 0);
    if (!isExpected) throw error;
    if (error.code === "PDPM_NO_SPACE") this.faultCounts.add("operation finds no space");
  }

  /** One page of keys() ended: the 16 home buckets from number `first` on. */
  scanned(first: number, keys: readonly Key[], start: number): void {
    const covers = (key: Key): boolean => {
      const { home } = homeAndFingerprint(key);
      return home >= first && home < first + bucketsPerPage;
    };
    this.history.scanned(covers, keys, start, this.interleaver.steps);
  }

  /** Keys that stay: written before anybody else is there. */
  #fill(): void {
    const identity = this.newIdentity();
    this.#alone(identity, "open", (context) => join(context, identity));
    for (const key of this.plan.fillers) {
      this.#alone(identity, "put", (context) => {
        const requests = [new WriteRequest(valueBytesOf("filler", 24), undefined)];
        return writeKey(context, key, new WriteBatch(context.operation, requests));
      });
    }
    this.#leave(identity);
  }

  #disturb(): void {
    const { plan, interleaver, prng } = this;
    this.#healing.begin(plan.healsAt);
    const anyone = (): Client => this.#clients[prng.below(this.#clients.length)] as Client;
    const at = (chance: number, act: (client: Client) => void): void => {
      if (chance > 0) interleaver.disturb(chance, () => act(anyone()));
    };
    const failing = (chance: number, act: (client: Client) => void): void => {
      at(chance, (client) => {
        if (!this.#healing.isHealed) act(client);
      });
    };
    failing(plan.killChance, (client) => this.#kill(client));
    if (plan.killsMost > 0) failing(1 / 4, () => this.#killMidway());
    at(plan.leaveChance, (client) => client.leaveOne());
    failing(plan.disconnectChance, (client) => {
      troubleNetwork(this, client.identity.simulated, this.memories.length);
    });
    at(plan.reapChance, (client) => {
      if (this.#isBusy()) client.reap(1 + prng.below(this.#identities.size));
    });
    at(1 / 100, (client) => client.settleOne());
    if (plan.isOld) interleaver.disturb(1 / 10, () => this.ageing.look());
    if (this.#failing.length > 0) {
      failing(plan.powerFailureChance, () => void interleaver.enlist(() => this.#failPower()));
      interleaver.disturb(
        1,
        inSlowFlush(this, () => this.#failPower()),
      );
      at(1 / 50, () => {
        for (const memory of this.#failing) memory.writeBack(prng, 0.1);
      });
    }
    if (!plan.keepsHouse) return;
    at(1 / 40, (client) => {
      if (this.#isBusy()) client.keepHouse();
    });
  }

  /** Somebody still wants something. */
  #isBusy(): boolean {
    return this.#clients.some(({ isDone }) => !isDone);
  }

  #kill(client: Client): void {
    if (this.#kills >= this.plan.killsMost || client.isDone) return;
    this.#kills += 1;
    if (this.prng.chance(0.5)) this.#doomed.add(client);
    else this.#die(client);
  }

  /** The doomed die in the middle of something, where most is half done. */
  #killMidway(): void {
    for (const client of this.#doomed) {
      if (client.isDone) this.#doomed.delete(client);
      else if (this.interleaver.isMidway(client.identity.simulated)) {
        this.#doomed.delete(client);
        this.#die(client);
        return;
      }
    }
  }

  #die(client: Client): void {
    const { rebirthStepsMost } = this.plan;
    if (rebirthStepsMost > 0) {
      // Without anybody the run would be over.
      if (this.#clients.every((one) => one === client || one.isDone)) return;
      this.interleaver.enlist(() => {
        if (client.isDead && !this.#isOver) client.revive();
      }, this.prng.below(rebirthStepsMost));
    }
    this.faultCounts.killed("client", this.interleaver.isMidway(client.identity.simulated));
    client.die();
    // What it had half done is met by others, and then the power fails.
    if (this.#failing.length > 0 && this.prng.chance(0.5)) {
      this.interleaver.enlist(() => this.#failPower(), this.prng.below(200));
    }
  }

  /** Everything stops; then the clients open the store again. */
  #failPower(): void {
    if (this.#powerFailures >= this.plan.powerFailuresMost || this.#isOver) return;
    if (this.#healing.isHealed) return;
    if (!this.#isBusy()) return;
    this.#powerFailures += 1;
    this.faultCounts.add("power fails under way");
    this.#loseMemory("the power fails");
    for (const client of this.#clients) client.revive();
  }

  /** Nobody lives on, and what was not durable is gone. */
  #loseMemory(why: string): void {
    this.interleaver.trace?.note(this.interleaver.steps, why);
    for (const identity of this.#identities.values()) {
      this.interleaver.kill(identity.simulated);
      this.interleaver.fence(identity.simulated);
      // Whoever had left: words of its that nobody had to flush may be back.
      identity.hasLeft = false;
    }
    for (const memory of this.#failing) memory.fail(this.prng);
  }

  #answer(client: SimulatedClient, server: string, request: unknown): unknown {
    if (server === membersServer) return this.#judge(client, (request as { judge: number }).judge);
    assert(server === nodeServer(0) || server === nodeServer(1), `nobody is called ${server}`);
    const { extend } = request as { extend: number };
    if (extend <= nodeBytesOf(this.plan)) return undefined;
    throw new PdpmError("PDPM_NO_SPACE", "the node is full");
  }

  /** The membership service: fences first, and then says dead. */
  #judge(asker: SimulatedClient, id: number): Judgement {
    const judged = this.#identities.get(id)?.simulated;
    const who = `client ${id}`;
    if (judged === undefined) return { alive: false, who };
    // A death is not noticed at once.
    const isNoticed = judged.isKilled && (this.#isOver || this.prng.chance(0.5));
    const isTrusted = this.#isOver || this.#healing.isHealed;
    const isSuspected = !isTrusted && judged !== asker && this.prng.chance(this.plan.suspectChance);
    if (isSuspected && !judged.isKilled && !judged.isFenced) this.faultCounts.add("given up alive");
    if (isNoticed || isSuspected) this.interleaver.fence(judged);
    return { alive: !judged.isFenced, who };
  }

  #alone<T>(identity: Identity, kind: string, protocol: (context: Context) => Protocol<T>): T {
    const operation: Operation = identity.simulated.operation(kind);
    const body = protocol(identity.context(operation));
    return this.interleaver.alone(identity.simulated, operation, body);
  }

  /** Close of the living: what they are in doubt about is settled. */
  #settleAll(): void {
    for (const { identity } of this.#clients) {
      const { session, simulated } = identity;
      for (const address of [...session.doubts]) {
        if (simulated.isKilled || simulated.isFenced) break;
        this.#alone(identity, "settle", (context) => settle(context, address, session.clientId));
      }
      if (simulated.isKilled || simulated.isFenced) continue;
      const { clientId, doubts, held } = session;
      const doubted = [...doubts].map((at) => `client ${clientId} cannot settle ${at}`);
      hold(
        everythingEnds([...doubted, ...[...held].map((at) => `client ${clientId} holds ${at}`)]),
      );
    }
  }

  /** Gives the lease back; the dead do not. */
  #leave(identity: Identity): void {
    const { session, simulated, lease } = identity;
    if (simulated.isKilled || simulated.isFenced || lease < 0) return;
    this.#alone(identity, "close", () => freeLease(session, lease, session.clientId, "live"));
    identity.hasLeft = true;
    this.interleaver.kill(simulated);
  }

  #inspect(): void {
    const fresh = this.newIdentity();
    this.#alone(fresh, "open", (context) => join(context, fresh));
    for (const [id, identity] of [...this.#identities]) {
      if (identity === fresh || identity.hasLeft) continue;
      const isDead = this.#alone(fresh, "reap", (context) => reap(context, id));
      hold(everythingEnds(isDead ? [] : [`client ${id} is not dead`]));
    }
    const leases = this.#alone(fresh, "leases", (context) => readLeases(context.session));
    const present = this.#readAll(fresh);
    hold(this.history.breaches());
    const report = this.#alone(fresh, "audit", auditStore);
    this.report = report;
    const others = leases.map(({ clientId }) => clientId);
    const { clientId } = fresh.session;
    hold(
      storeBreaches(
        accountOf(
          report,
          others.filter((id) => id !== clientId),
        ),
      ),
    );
    const text = `${report.keys} keys in buckets, ${present} were found`;
    hold(report.keys === present ? [] : [{ invariant: "I9", text }]);
  }

  /** The final read of every key. Returns how many are there. */
  #readAll(fresh: Identity): number {
    const { plan, interleaver, history } = this;
    let present = 0;
    for (const key of [...plan.keys, ...plan.fillers]) {
      const entry = history.begin(100, "get", key, interleaver.steps);
      const found = this.#alone(fresh, "get", (context) => readKey(context, key));
      if (found !== undefined) present += 1;
      const isFiller = plan.fillers.includes(key);
      if (isFiller) {
        history.entries.pop();
        const isThere = found !== undefined && identityOf(found.value) === "filler";
        hold(isThere ? [] : [{ invariant: "I2", text: `filler ${key} is lost` }]);
        continue;
      }
      entry.value = found === undefined ? null : identityOf(found.value);
      entry.version = found?.version ?? null;
      entry.outcome = "ok";
      entry.end = interleaver.steps;
    }
    return present;
  }
}
