// A seeded interleaver: runs protocols of several clients over shared memories, one micro-step at a
// time, and lets the seed choose whose. Synchronous, and the same for the same seed. It is a fabric
// at its most unkind within the contract of round.ts, and a runner with the rules of runner.ts.
//
//   task    posts a round, is resumed with the replies; told of a deadline at a round boundary
//   flight  the verbs of one round at one node (in-flight.ts), nodes and rounds in any order
//   errand  a pause that ends at some later step, or a call that a handler answers at one
//   chore   a turn of somebody who is no client (chore.ts)
//
// A client that is killed is never resumed. What it had posted and is not yet applied goes on at
// any later step, or never, until the client is fenced: then the rest is dropped at every node at
// once. A client may also be fenced while it lives, and then learns so from its replies, or lose a
// connection.
//
// What a power failure leaves is the memories' business; a flush takes its turn, or longer.

import { assert, hold, isPdpmError, Prng } from "@pdpm/base";
import {
  asFailure,
  type Memory,
  type Operation,
  type Post,
  type Protocol,
  type Round,
  Verb,
} from "@pdpm/verbs";
import { runAlone } from "./alone.ts";
import { Chore, LaterReply } from "./chore.ts";
import { Disturbances } from "./disturbances.ts";
import { Flight } from "./in-flight.ts";
import { cutOff, Links } from "./links.ts";
import type { InterleaverOptions } from "./options.ts";
import { type Delays, Schedule } from "./schedule.ts";
import { type Ended, type SimulatedClient, Task } from "./task.ts";
import { Trace } from "./trace.ts";
import { type Errand, fenced, lost, Trip, unplaced } from "./trip.ts";

/**
 * A pause ends within this many micro-steps, and so many more for each millisecond that it asks.
 */
const pauseStepsLeast = 40;
const pauseStepsPerMs = 40;
const stepsMost = 1_000_000;

type Turn = Task | Trip | Chore;

/** Runs protocols; see the head of this file. */
export class Interleaver {
  /** Every choice of this run comes from here. */
  readonly prng: Prng;
  readonly trace: Trace | undefined;
  /** How often something waited longer than others, and a flush for its medium. */
  readonly delays: Readonly<Delays>;
  readonly #options: InterleaverOptions;
  readonly #schedule: Schedule<Turn>;
  readonly #disturbances: Disturbances;
  readonly #links: Links = new Links();
  readonly #living = new Set<Task>();
  /** What was slow, cut or stalled is no more. */
  isHealed = false;

  constructor(options: InterleaverOptions) {
    this.#options = options;
    this.prng = new Prng(options.seed);
    this.#disturbances = new Disturbances(this.prng, () => this.steps);
    const { stallChance = 0.02, stallStepsMost = 1000 } = options;
    this.#schedule = new Schedule<Turn>(this.prng, stallChance, stallStepsMost);
    this.delays = this.#schedule.delays;
    if (options.trace !== undefined) this.trace = new Trace(options.trace);
  }

  /** The clock of the run, in micro-steps; it jumps ahead when everybody sleeps. */
  get steps(): number {
    return this.#schedule.steps;
  }

  /**
   * Starts a protocol at some later step. `end` is called when it ends, never if its client dies.
   */
  spawn<T>(
    client: SimulatedClient,
    operation: Operation,
    name: string,
    protocol: Protocol<T>,
    end: (ended: Ended<T>) => void,
  ): Task {
    assert(!client.isKilled, `client ${client.id} is dead and starts nothing`);
    const task = new Task(client, operation, name, protocol, end as (e: Ended<unknown>) => void);
    client.tasks.add(task);
    this.#living.add(task);
    this.#schedule.add(task);
    return task;
  }

  /** Calls `act` from now on after each micro-step with this probability. */
  disturb(chance: number, act: () => void): void {
    this.#disturbances.add(chance, act);
  }

  /** Ends all disturbances. */
  calm(): void {
    this.#disturbances.clear();
  }

  /** Nothing is slow, cut or stalled any more; what was to break breaks. */
  heal(): void {
    this.trace?.note(this.steps, "all is healed");
    this.isHealed = true;
    this.#links.heal();
    this.#schedule.calm((one) => one instanceof Task || (one instanceof Trip && !one.errand));
  }

  /** Has `act` called at some step, `steps` from now at the earliest. */
  enlist(act: Chore["act"], steps = 0): Chore {
    const chore = new Chore(act);
    this.#schedule.add(chore);
    chore.wakeAt = Math.max(chore.wakeAt, this.steps + steps);
    return chore;
  }

  /** Takes a chore back. */
  dismiss(chore: Chore): void {
    this.#schedule.remove((one) => one === chore);
  }

  /**
   * Runs until every task of a living client has ended. @throws InvariantBroken at the step bound.
   */
  run(): void {
    for (let steps = 0; this.#living.size > 0; steps += 1) {
      assert(this.#turn(steps) === undefined, "a chore takes time: use runWaiting");
      this.#disturbances.happen();
    }
  }

  /** The same with chores that take time. Ends when chores have ended, too, if `all`. */
  async runWaiting(all = false): Promise<void> {
    const hasChores = () => this.#schedule.waiters.some((one) => one instanceof Chore);
    for (let steps = 0; this.#living.size > 0 || (all && hasChores()); steps += 1) {
      const waiting = this.#turn(steps);
      // Most turns take no time, and awaiting nothing costs as much as a turn.
      if (waiting !== undefined) await waiting;
      this.#disturbances.happen();
    }
  }

  #turn(steps: number): void | Promise<void> {
    if (steps >= (this.#options.stepsMost ?? stepsMost))
      hold([{ invariant: "I7", text: `nobody gets on: ${this.#whoWaits()}` }]);
    this.#schedule.steps += 1;
    return this.#step();
  }

  /** Runs one protocol to its end while nobody else moves, each round in the order of its posts. */
  alone<T>(client: SimulatedClient, operation: Operation, protocol: Protocol<T>): T {
    return runAlone(client, operation, protocol, {
      memories: this.#options.memories,
      answer: (post) => this.#answer(client, post),
      tick: () => {
        this.#schedule.steps += 1;
      },
      roundsMost: this.#options.stepsMost ?? stepsMost,
    });
  }

  /** The client stops where it is. */
  kill(client: SimulatedClient): void {
    if (client.isKilled) return;
    client.isKilled = true;
    this.trace?.note(this.steps, `client ${client.id} dies`);
    for (const task of client.tasks) this.#living.delete(task);
    this.#schedule.remove((one) => one instanceof Task && one.client === client);
    // Each node keeps what it got at once, nothing at all, or anything in between until the fence.
    for (const trip of this.#tripsOf(client)) {
      const fate = this.prng.below(4);
      if (fate === 0) trip.flight?.finish();
      else if (fate === 1) trip.flight?.drop(lost, () => false);
      else trip.wakeAt = this.#schedule.later(1);
      if (trip.errand !== undefined || trip.flight?.isOver)
        this.#schedule.remove((one) => one === trip);
    }
  }

  /** Whether some node has carried out a part of what a round of the client's changes. */
  isMidway(client: SimulatedClient): boolean {
    return this.#tripsOf(client).some(({ flight }) => flight?.isMidway);
  }

  /** From here on nothing of this client is applied at any node; if it lives it is told so. */
  fence(client: SimulatedClient): void {
    if (client.isFenced) return;
    client.isFenced = true;
    this.trace?.note(this.steps, `client ${client.id} is fenced`);
    for (const trip of this.#tripsOf(client)) if (trip.flight !== undefined) this.#cutOff(trip);
  }

  /** The client's connection to a node breaks and is made anew: the old one's verbs are dropped. */
  disconnect(client: SimulatedClient, node: number): void {
    this.trace?.note(this.steps, `client ${client.id} loses its connection to node ${node}`);
    for (const trip of this.#tripsOf(client)) if (trip.flight?.node === node) this.#cutOff(trip);
  }

  /** The same, and for so many micro-steps there is no new one. */
  cut(client: SimulatedClient, node: number, steps: number): void {
    this.#links.of(client, node).cutUntil = this.steps + steps;
    this.disconnect(client, node);
  }

  /** What the client posts there waits for so many micro-steps. */
  clog(client: SimulatedClient, node: number, steps: number): void {
    this.trace?.note(this.steps, `client ${client.id} is clogged at node ${node}`);
    this.#links.of(client, node).clogUntil = this.steps + steps;
  }

  /** Requests of the client do not reach the node; then the connection breaks. */
  deafen(client: SimulatedClient, node: number, steps: number): void {
    this.clog(client, node, steps + 1);
    this.enlist(() => this.disconnect(client, node), steps);
  }

  /** Replies of the node do not reach the client; then the connection breaks. */
  mute(client: SimulatedClient, node: number, steps: number): void {
    this.trace?.note(this.steps, `node ${node} is mute for client ${client.id}`);
    this.#links.of(client, node).muteUntil = this.steps + steps;
    this.enlist(() => this.disconnect(client, node), steps);
  }

  /** The node takes `factor` micro-steps for each, for so many of them. */
  slow(node: number, steps: number, factor: number): void {
    this.trace?.note(this.steps, `node ${node} is slow`);
    this.#links.slow(node, this.steps + steps, factor);
  }

  #cutOff(trip: Trip): void {
    const { task, flight } = trip;
    const wasFenced = task.client.isFenced;
    flight?.drop(
      (wasStarted) => (wasFenced && !wasStarted && this.prng.chance(0.5) ? fenced() : lost()),
      // Of a mute node nothing had come back.
      () => flight.isOver || this.prng.chance(0.5),
    );
    this.#schedule.remove((one) => one === trip);
    if (!task.client.isKilled) this.#arrived(task);
  }

  #tripsOf(client: SimulatedClient): Trip[] {
    const isTrip = (one: Turn): one is Trip => one instanceof Trip;
    return this.#schedule.waiters.filter(isTrip).filter(({ task }) => task.client === client);
  }

  #step(): void | Promise<void> {
    const index = this.#schedule.pick();
    const one = this.#schedule.waiters[index] as Turn;
    if (one instanceof Task) {
      this.#schedule.takeOut(index);
      this.#resume(one);
    } else if (one instanceof Chore) {
      this.#schedule.takeOut(index);
      return one.act();
    } else if (one.flight !== undefined) {
      this.#fly(one, one.flight, index);
    } else {
      this.#schedule.takeOut(index);
      this.#run(one.task, one.errand as Errand);
    }
  }

  /** One micro-step at a node, if the link and the node let it. */
  #fly(trip: Trip, flight: Flight, index: number): void {
    const { client } = trip.task;
    const goesOnAt = this.#links.goesOnAt(client, flight.node, this.steps);
    if (goesOnAt > this.steps && !trip.hasWaited) {
      trip.hasWaited = true;
      trip.wakeAt = goesOnAt;
      return;
    }
    trip.hasWaited = false;
    if (!flight.isOver) flight.step(this.prng);
    if (!flight.isOver) this.#hold(trip, flight);
    else if (this.#links.isMute(client, flight.node, this.steps)) trip.wakeAt = this.steps + 100;
    else {
      this.#schedule.takeOut(index);
      if (!client.isKilled) this.#arrived(trip.task);
    }
  }

  #hold(trip: Trip, { isAtFlush }: Flight): void {
    this.#schedule.hold(trip);
    const { slowFlushChance = 0 } = this.#options;
    if (slowFlushChance === 0 || this.isHealed || !isAtFlush) return;
    if (this.prng.chance(slowFlushChance)) this.#schedule.flushSlowly(trip);
  }

  #run(task: Task, errand: Errand): void {
    const { post, place } = errand;
    const take = (reply: unknown): void => {
      // The handler may have killed the caller.
      if (task.client.isKilled) return;
      task.replies[place] = reply;
      this.#arrived(task);
    };
    const reply = post.verb === Verb.call ? this.#answer(task.client, post) : undefined;
    if (reply instanceof LaterReply) reply.awaitedBy(take);
    else take(reply);
  }

  #answer(client: SimulatedClient, post: Post): unknown {
    try {
      return this.#options.answer(client, post.server, post.request);
    } catch (error) {
      if (!isPdpmError(error)) throw error;
      return asFailure(error);
    }
  }

  #arrived(task: Task): void {
    task.waitsFor -= 1;
    if (task.waitsFor === 0) this.#schedule.add(task);
  }

  /** One turn of the runner: replies in, told or not, next round out. */
  #resume(task: Task): void {
    const { operation, protocol } = task;
    try {
      let step: IteratorResult<Round, unknown>;
      if (task.round === undefined) step = protocol.next();
      else {
        this.trace?.replies(this.steps, task);
        operation.answered(task.round, task.replies);
        step = protocol.next(task.replies);
        const told = step.done ? undefined : operation.takeTold();
        if (told !== undefined) {
          this.trace?.note(this.steps, `client ${task.client.id} ${task.name} is told to stop`);
          step = protocol.throw(told);
        }
      }
      if (step.done) this.#end(task, { value: step.value });
      else this.#post(task, step.value);
    } catch (error) {
      if (!isPdpmError(error)) throw error;
      this.#end(task, { error: error.withOutcome(operation.outcome) });
    }
  }

  #end(task: Task, ended: Ended<unknown>): void {
    this.trace?.ended(this.steps, task, ended);
    task.client.tasks.delete(task);
    this.#living.delete(task);
    task.end(ended);
  }

  #post(task: Task, round: Round): void {
    const { client, operation } = task;
    operation.posting(round);
    if (operation.counters.count(round)) operation.roundTrips += 1;
    task.round = round;
    task.replies = new Array(round.length).fill(undefined);
    this.trace?.posts(this.steps, task);
    const places = new Map<number, number[]>();
    for (let i = 0; i < round.length; i += 1) {
      const post = round[i] as Post;
      if (post.verb >= Verb.call) {
        this.#send(task, undefined, { post, place: i });
        continue;
      }
      post.node = client.chunks.place(post);
      if (post.node < 0) task.replies[i] = unplaced(post);
      else if (client.isFenced) task.replies[i] = fenced();
      else if (this.#links.isCut(client, post.node, this.steps)) task.replies[i] = cutOff();
      else if (places.has(post.node)) (places.get(post.node) as number[]).push(i);
      else places.set(post.node, [i]);
    }
    for (const [node, indexes] of places) {
      const posts = indexes.map((i) => round[i] as Post);
      const memory = this.#options.memories[node] as Memory;
      this.#send(task, new Flight(node, memory, posts, indexes, task.replies), undefined);
    }
    if (task.waitsFor === 0) this.#schedule.add(task);
  }

  #send(task: Task, flight: Flight | undefined, errand: Errand | undefined): void {
    task.waitsFor += 1;
    const trip = new Trip(task, flight, errand);
    this.#schedule.add(trip);
    // A pause lasts, and longer after many tries: otherwise those who wait would use up the steps
    // of those they wait for, and their tries before these are done.
    if (errand?.post.verb === Verb.pause) {
      const most = pauseStepsLeast + Math.ceil(pauseStepsPerMs * errand.post.bytes);
      trip.wakeAt = this.steps + this.prng.below(most);
    }
  }

  #whoWaits(): string {
    const waits = [...this.#living].map(
      ({ client, name, operation }) =>
        `client ${client.id} ${name} (${operation.awaited ?? "on its way"})`,
    );
    return waits.join(", ");
  }
}
