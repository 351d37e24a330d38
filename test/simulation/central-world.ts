// A Central store of one or two memory nodes and its metadata service, those who coordinate it one
// after the other, their clients, and all that goes wrong with them, from one seed. At the end a
// fresh coordinator has taken back what the others held, cleaned up and left, and the store is
// looked at as a whole: its history, its values, its space, and what a repair would find
// (central-audit.ts).

import { assert, hold, type PdpmError, Prng, systemClock } from "@pdpm/base";
import { coordinatorServer, type Judgement } from "@pdpm/central";
import { everythingEnds, storeBreaches } from "@pdpm/checker";
import { type Key, keyBytes } from "@pdpm/kv";
import { numberWord } from "@pdpm/layout";
import { headerWordOffset, regionHeaderBytes } from "@pdpm/layout/region-header";
import { MemoryStore, MetadataService } from "@pdpm/metadata-server";
import { DurableMemory, Interleaver, type SimulatedClient } from "@pdpm/simulator";
import { type Protocol, pause, round } from "@pdpm/verbs";
import { reapDead } from "../../packages/central/src/takeover.ts";
import { work } from "../../packages/central/src/work.ts";
import { Ageing } from "./buffer-ageing.ts";
import { auditStore, repairedCells } from "./central-audit.ts";
import { Client, Identity } from "./central-client.ts";
import { type Plan, planOf } from "./central-plan.ts";
import { regionBytes, Seat } from "./central-seat.ts";
import { wordText } from "./clover-words.ts";
import { FaultCounts } from "./fault-counts.ts";
import { Healing } from "./healing.ts";
import { History, identityOf } from "./history.ts";
import { MetadataCalls } from "./metadata-calls.ts";
import { troubleNetwork } from "./network-trouble.ts";
import { chunkBytes, cutOffStepsMost } from "./plan-parts.ts";
import { inSlowFlush } from "./slow-flush.ts";
import type { AuditReport } from "./space-audit.ts";

/** One seed's store, coordinators and clients. */
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
  readonly seats: Seat[] = [];
  /** They die as soon as a round of theirs is applied in part. */
  readonly #doomed = new Set<Seat>();
  readonly clients: Client[] = [];
  readonly #identities = new Map<SimulatedClient, Identity>();
  /** What no protocol may end with did end one. */
  broken: unknown;
  #ids = 0;
  #isCalm = false;
  readonly #healing: Healing;
  #kills = 0;
  #suspects = 0;
  #rivals = 0;
  #disconnects = 0;
  #clientKills = 0;
  #powerFailures = 0;
  report: AuditReport | undefined;

  /** `changes` are made to what the seed stands for. */
  constructor(seed: number, isTraced = false, changes: Partial<Plan> = {}) {
    this.plan = { ...planOf(seed), ...changes };
    this.prng = new Prng(`central ${seed}`);
    const { plan, prng } = this;
    const { stallChance, stallStepsMost, slowFlushChance, nodeCount, chunksMost } = plan;
    const bytes = regionBytes(Math.ceil(chunksMost / nodeCount));
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
      seed: `central steps ${seed}`,
      memories: this.memories,
      answer: (client, server, request) => {
        assert(server === coordinatorServer, `nobody is called ${server}`);
        return (this.#identities.get(client) as Identity).ask(request);
      },
      stallChance,
      stallStepsMost,
      slowFlushChance,
      ...(isTraced ? { trace: { wordText } } : {}),
    });
    const { interleaver, store } = this;
    const { callTimeoutMs, commitRecordsMost } = plan;
    const label = { chunkBytes, chunksMost, nodeCount };
    this.calls = new MetadataCalls(
      { interleaver, store, label, regionHeaderBytes, callTimeoutMs, commitRecordsMost },
      plan.calls,
      prng.fork("calls"),
      this.faultCounts,
    );
    this.#healing = new Healing(this);
  }

  /** Runs the seed to its end. @throws what is wrong. */
  async run(): Promise<void> {
    for (let i = 0; i < this.plan.people; i += 1) this.clients.push(new Client(this, i));
    this.#takeOver();
    this.#disturb();
    for (const client of this.clients) client.go();
    await this.interleaver.runWaiting();
    this.#healing.ended();
    this.interleaver.calm();
    this.#isCalm = true;
    await this.#inspect();
  }

  /** A client under an id that nobody had. */
  newIdentity(): Identity {
    this.#ids += 1;
    const identity = new Identity(this, this.#ids);
    this.#identities.set(identity.simulated, identity);
    return identity;
  }

  /** Whom a client finds that looks for the coordinator; most often the one who came last. */
  someSeat(): Seat | undefined {
    const serving = this.seats.filter(({ isServing }) => isServing);
    if (this.prng.chance(0.8)) return serving.at(-1);
    return serving[this.prng.below(Math.max(1, serving.length))];
  }

  /** Whether `id` may still post anything: fenced first, given up second. */
  judge(id: number): Judgement {
    const seat = this.seats.find((one) => one.id === id);
    const alive = seat !== undefined && !seat.isDead && !seat.isSuspected;
    if (!alive) seat?.fence();
    return { alive, who: `seat ${id}` };
  }

  /** Whether a client's operation may end so in this world. @throws the error if not. */
  excuse(error: PdpmError): void {
    const { plan } = this;
    const isTimed = plan.leaveChance > 0 || plan.timeoutsMs.length > 1;
    const isExpected =
      (error.code === "PDPM_NO_SPACE" && plan.isSmall) ||
      error.code === "PDPM_UNAVAILABLE" ||
      ((error.code === "PDPM_TIMEOUT" || error.code === "PDPM_BUSY") && isTimed);
    if (!isExpected) throw error;
    if (error.code === "PDPM_NO_SPACE") this.faultCounts.add("operation finds no space");
  }

  /** Whether something that a coordinator does of its own accord may end so. @throws if not. */
  excuseSeat(error: PdpmError): void {
    const codes = ["PDPM_IN_USE", "PDPM_FENCED", "PDPM_UNAVAILABLE", "PDPM_INVALID_ARGUMENT"];
    if (!codes.includes(error.code)) this.broken ??= error;
  }

  #disturb(): void {
    const { plan, interleaver, prng } = this;
    this.#healing.begin(plan.healsAt);
    const failing = (chance: number, act: () => void): void => {
      at(chance, () => {
        if (!this.#healing.isHealed) act();
      });
    };
    const at = (chance: number, act: () => void): void => {
      if (chance > 0) interleaver.disturb(chance, act);
    };
    const withSeat = (chance: number, act: (seat: Seat) => void): void => {
      at(chance, () => {
        const living = this.seats.filter(({ isDead, isOut }) => !isDead && !isOut);
        const seat = living[prng.below(Math.max(1, living.length))];
        if (seat !== undefined) act(seat);
      });
    };
    const anyone = (): Client => this.clients[prng.below(this.clients.length)] as Client;
    at(plan.takeOverChance, () => {
      const isTaken = this.seats.some((one) => !one.isDead && !one.isOut && !one.isSuspected);
      if (!isTaken) this.#takeOver();
    });
    failing(plan.rivalChance, () => {
      if (this.#rivals >= plan.rivalsMost) return;
      this.#rivals += 1;
      this.#takeOver();
    });
    withSeat(plan.killChance, (seat) => {
      if (!this.#healing.isHealed) this.#kill(seat);
    });
    if (plan.killsMost > 0) failing(1 / 4, () => this.#killMidway());
    withSeat(plan.suspectChance, (seat) => {
      if (this.#healing.isHealed) return;
      if (this.#suspects >= plan.suspectsMost || seat.isSuspected) return;
      this.#suspects += 1;
      seat.isSuspected = true;
      this.faultCounts.add("given up alive");
    });
    withSeat(plan.disconnectChance, ({ simulated }) => {
      if (this.#disconnects >= plan.disconnectsMost || this.#healing.isHealed) return;
      this.#disconnects += 1;
      troubleNetwork(this, simulated, this.memories.length);
    });
    withSeat(plan.workChance, (seat) => seat.act(({ housekeeping }) => housekeeping.wake()));
    at(plan.leaveChance, () => anyone().leaveOne());
    at(plan.measureChance, () => anyone().measure());
    failing(plan.killChance, () => {
      if (this.#clientKills >= plan.clientKillsMost) return;
      this.#clientKills += 1;
      this.#killClient(anyone());
    });
    failing(plan.serverDeathChance, () => this.calls.serverDied());
    withSeat(plan.cutOffChance, (seat) => {
      if (!this.#healing.isHealed) this.calls.cutOff(seat.id, prng.below(cutOffStepsMost));
    });
    if (plan.powerFailuresMost > 0) {
      failing(plan.powerFailureChance, () => void interleaver.enlist(() => this.#failPower()));
      interleaver.disturb(
        1,
        inSlowFlush(this, () => this.#failPower()),
      );
      at(1 / 50, () => {
        for (const memory of this.memories) memory.writeBack(prng, 0.1);
      });
    }
  }

  /** Somebody wants to be the coordinator. */
  #takeOver(): Seat {
    this.#ids += 1;
    const seat = new Seat(this, this.#ids);
    this.seats.push(seat);
    seat.start();
    return seat;
  }

  #kill(seat: Seat): void {
    if (this.#kills >= this.plan.killsMost) return;
    this.#kills += 1;
    if (this.prng.chance(0.5)) this.#doomed.add(seat);
    else this.#die(seat);
  }

  /** The doomed die in the middle of something, where most is half done. */
  #killMidway(): void {
    for (const seat of this.#doomed) {
      if (seat.isDead) this.#doomed.delete(seat);
      else if (this.interleaver.isMidway(seat.simulated)) {
        this.#doomed.delete(seat);
        this.#die(seat);
        return;
      }
    }
  }

  #killClient(client: Client): void {
    if (!client.isDead) {
      this.faultCounts.killed("client", this.interleaver.isMidway(client.identity.simulated));
    }
    client.die();
  }

  #die(seat: Seat): void {
    this.faultCounts.killed("coordinator", this.interleaver.isMidway(seat.simulated));
    seat.die();
    // What it had half done is met by others, and then the power fails.
    if (this.plan.powerFailuresMost > 0 && this.prng.chance(0.5)) {
      this.interleaver.enlist(() => this.#failPower(), this.prng.below(200));
    }
  }

  /**
   * The machines of the store stop, and what was not durable is gone. Should the directory be gone
   * as well, a repair would be a read of every key like any other (H23).
   */
  async #failPower(): Promise<void> {
    if (this.#powerFailures >= this.plan.powerFailuresMost || this.#isCalm) return;
    if (this.#healing.isHealed) return;
    this.#powerFailures += 1;
    this.faultCounts.add("power fails under way");
    this.interleaver.trace?.note(this.interleaver.steps, "the power fails");
    for (const seat of this.seats) {
      seat.die();
      seat.fence();
    }
    this.calls.allDied();
    for (const memory of this.memories) memory.fail(this.prng);
    await this.#checkRepair();
  }

  /** What a repair would find now could be what the clients see. */
  async #checkRepair(): Promise<void> {
    const cells = await repairedCells(this.audited());
    const fork = this.history.fork();
    for (const key of this.plan.keys) {
      const cell = cells.get(key);
      const { valueBytes: value, commitNumber: version } = cell ?? {};
      this.#sees(fork, key, value && { value, version: version ?? 0 });
    }
    const found = fork.breaches();
    const why = (text: string): string => `a repair would find what cannot be: ${text}`;
    hold(found.map(({ text }) => ({ invariant: "I9", text: why(text) })));
  }

  /** The store as an audit takes it. */
  audited(): Parameters<typeof repairedCells>[0] {
    const { store, memories, plan, prng } = this;
    const label = { chunkBytes, chunksMost: plan.chunksMost, nodeCount: plan.nodeCount };
    const parts = { store, clock: systemClock, prng: prng.fork("audit"), label, regionHeaderBytes };
    return { label, memories, service: new MetadataService(parts) };
  }

  async #inspect(): Promise<void> {
    const { history, interleaver } = this;
    const rest = this.seats.slice();
    if (this.prng.chance(0.5)) for (const seat of rest) seat.die();
    else for (const seat of rest) seat.isSuspected = true;
    const fresh = this.#takeOver();
    await this.#until(() => fresh.host !== undefined || fresh.isOut);
    const host = fresh.host;
    assert(host !== undefined, "nobody is in the way of the last coordinator");
    for (const seat of rest) seat.die();
    // What is still on its way, from whomever, changes nothing any more but who has entered.
    host.housekeeping.end();
    await interleaver.runWaiting(true);
    await this.#done(fresh, () => host.coordinator.run("reap", reapDead, {}));
    for (let more = true; more; ) {
      await this.#done(fresh, async () => {
        more = await host.coordinator.run("work", work, {});
      });
    }
    await this.#readAll(fresh);
    hold(history.breaches());
    await this.#done(fresh, () => host.close(100_000));
    await this.#audit();
    if (this.plan.durability === "process") return;
    this.faultCounts.add("power fails at the end");
    interleaver.trace?.note(interleaver.steps, "the power fails at the end");
    for (const memory of this.memories) memory.fail(this.prng);
    await this.#audit();
  }

  /** Lets everybody move until `isOver`. */
  async #until(isOver: () => boolean): Promise<void> {
    const { simulated } = this.newIdentity();
    const watch = function* (): Protocol<void> {
      while (!isOver()) yield* round(pause(1));
    };
    this.interleaver.spawn(simulated, simulated.operation("wait"), "waits", watch(), () => {});
    await this.interleaver.runWaiting();
  }

  async #done(seat: Seat, work: () => unknown): Promise<void> {
    let isDone = false;
    seat.act(async () => {
      await work();
      isDone = true;
    });
    await this.#until(() => isDone);
  }

  async #audit(): Promise<void> {
    this.report = await auditStore(this.audited(), this.store);
    hold(storeBreaches(this.report), this.ageing.problems());
  }

  /** The final read of every key. */
  async #readAll(fresh: Seat): Promise<void> {
    for (const key of this.plan.keys) {
      const { steps } = this.interleaver;
      await this.#done(fresh, async () => {
        const request = { op: "get", key: keyBytes(key), timeoutMs: null };
        const reply = await fresh.host?.handle(request);
        const { done } = (reply ?? {}) as { done?: unknown };
        hold(everythingEnds(done === undefined ? [`the last read of ${key}`] : []));
        this.#sees(this.history, key, (done ?? undefined) as never, steps);
      });
    }
  }

  /** Somebody who is no client of the plan reads a key. */
  #sees(
    history: History,
    key: Key,
    found: { readonly value: Uint8Array; readonly version: number } | undefined,
    start = this.interleaver.steps,
  ): void {
    const entry = history.begin(100, "get", key, start);
    entry.value = found === undefined ? null : identityOf(found.value);
    entry.version = found?.version ?? null;
    entry.outcome = "ok";
    entry.end = this.interleaver.steps;
  }
}
