// What goes wrong in a simulated store of Clover, and who notices: clients die, in the middle of a
// round above all, or leave, or are given up although they live; connections break, the server
// dies, the power fails.

import type { Found } from "@pdpm/kv";
import type { Client } from "./clover-client.ts";
import { type StoredVersion, StoredVersions } from "./clover-repair.ts";
import type { World } from "./clover-world.ts";
import { Healing } from "./healing.ts";
import { troubleNetwork } from "./network-trouble.ts";
import { cutOffStepsMost, pick } from "./plan-parts.ts";
import { inSlowFlush } from "./slow-flush.ts";

/**
 * Then the server lives on, and nobody is given up any more: a server that dies more often than a
 * question takes answers nothing, and everybody who is given up makes it longer.
 */
const serverDeathsMost = 100;
const suspicionsMost = 100;

/** What goes wrong in one world. */
export class Failures {
  readonly #world: World;
  /** They die as soon as a round of theirs is applied in part. */
  readonly #doomed = new Set<Client>();
  #kills = 0;
  #powerFailures = 0;
  #serverDeaths = 0;
  #suspicions = 0;
  #isOver = false;
  readonly healing: Healing;

  constructor(world: World) {
    this.#world = world;
    this.healing = new Healing(world);
  }

  /** From now on. */
  begin(): void {
    const { plan, interleaver, prng } = this.#world;
    this.healing.begin(plan.healsAt);
    const anyone = (): Client =>
      this.#world.clients[prng.below(this.#world.clients.length)] as Client;
    const at = (chance: number, act: (client: Client) => void): void => {
      if (chance > 0) interleaver.disturb(chance, () => act(anyone()));
    };
    const failing = (chance: number, act: (client: Client) => void): void => {
      at(chance, (client) => {
        if (!this.healing.isHealed) act(client);
      });
    };
    const whileBusy = (act: (client: Client) => void) => (client: Client) => {
      if (this.#world.clients.some(({ isDone }) => !isDone)) act(client);
    };
    failing(plan.killChance, (client) => this.#kill(client));
    if (plan.killsMost > 0) failing(1 / 4, () => this.#killMidway());
    at(plan.leaveChance, (client) => client.leaveOne());
    failing(plan.disconnectChance, (client) => {
      troubleNetwork(this.#world, client.identity.simulated, this.#world.memories.length);
    });
    failing(plan.suspectChance, (client) => this.#giveUp(client, anyone()));
    failing(plan.serverDeathChance, () => this.#failServer());
    failing(plan.cutOffChance, ({ identity }) => {
      this.#world.calls.cutOff(identity.simulated.id, prng.below(cutOffStepsMost));
    });
    if (plan.powerFailuresMost > 0) {
      failing(plan.powerFailureChance, () => void interleaver.enlist(() => this.#failPower()));
      interleaver.disturb(
        1,
        inSlowFlush(this.#world, () => this.#failPower()),
      );
      failing(10 * plan.powerFailureChance, (client) => {
        // Soon after somebody did what is not durable yet, and others may have seen it.
        if (!interleaver.isMidway(client.identity.simulated)) return;
        interleaver.enlist(() => this.#failPower(), 200 + prng.below(400));
      });
    }
    at(
      plan.reapChance,
      whileBusy((client) => this.#reap(client)),
    );
    at(
      plan.pulseChance,
      whileBusy((client) => client.keepHouse("pulse")),
    );
    at(
      plan.collectChance,
      whileBusy((client) => client.keepHouse("collect")),
    );
    at(
      plan.collectChance,
      whileBusy((client) => client.keepHouse("hand back")),
    );
    at(plan.workChance, (client) => {
      if (!client.identity.isWoken) return;
      client.identity.isWoken = false;
      client.keepHouse("work");
    });
    at(
      plan.eagerChance,
      whileBusy((client) => {
        const chore = pick(prng, ["work", "collect", "hand back", "reap"] as const);
        if (chore === "reap") this.#reap(client);
        else client.keepHouse(chore);
      }),
    );
    if (plan.powerFailuresMost > 0) {
      at(1 / 300, () => {
        for (const memory of this.#world.memories) memory.writeBack(prng, 0.1);
      });
    }
  }

  /** Nobody wants anything any more: what was to happen later does not happen. */
  end(): void {
    this.healing.ended();
    this.#isOver = true;
    this.#world.interleaver.calm();
  }

  #kill(client: Client): void {
    if (this.#kills >= this.#world.plan.killsMost || client.isDone) return;
    this.#kills += 1;
    if (this.#world.prng.chance(0.5)) this.#doomed.add(client);
    else this.#die(client);
  }

  /** The doomed die in the middle of something, where most is half done. */
  #killMidway(): void {
    for (const client of this.#doomed) {
      if (client.isDone) this.#doomed.delete(client);
      else if (this.#world.interleaver.isMidway(client.identity.simulated)) {
        this.#doomed.delete(client);
        this.#die(client);
        return;
      }
    }
  }

  #die(client: Client): void {
    const { rebirthStepsMost } = this.#world.plan;
    if (rebirthStepsMost > 0) {
      // Without anybody the run would be over.
      if (this.#world.clients.every((one) => one === client || one.isDone)) return;
      this.#world.interleaver.enlist(() => {
        if (client.isDead && !this.#isOver) client.revive();
      }, this.#world.prng.below(rebirthStepsMost));
    }
    const isMidway = this.#world.interleaver.isMidway(client.identity.simulated);
    this.#world.faultCounts.killed("client", isMidway);
    client.die();
    for (const { simulated } of this.#world.identities.values()) {
      if (simulated.isKilled) this.#world.calls.clientDied(simulated.id);
    }
    // What it had half done is met by others, and then the power fails.
    if (this.#world.plan.powerFailuresMost > 0 && this.#world.prng.chance(0.5)) {
      this.#world.interleaver.enlist(() => this.#failPower(), 100 + this.#world.prng.below(500));
    }
  }

  async #failPower(): Promise<void> {
    if (this.#powerFailures >= this.#world.plan.powerFailuresMost || this.#isOver) return;
    if (this.healing.isHealed) return;
    if (this.#world.clients.every(({ isDone }) => isDone)) return;
    this.#powerFailures += 1;
    await this.losePower();
  }

  /**
   * Everything stops, and what was not durable is gone. Should the directory be gone as well, a
   * repair would be a read of every key like any other (H23). Then the clients open the store
   * again.
   */
  async losePower(): Promise<void> {
    this.#world.faultCounts.add("power fails under way");
    this.#world.interleaver.trace?.note(this.#world.interleaver.steps, "the power fails");
    for (const { simulated } of this.#world.identities.values()) {
      this.#world.interleaver.kill(simulated);
      this.#world.interleaver.fence(simulated);
    }
    this.#world.calls.allDied();
    for (const memory of this.#world.memories) memory.fail(this.#world.prng);
    const found = (await StoredVersions.read(this.#world)).repair();
    for (const key of this.#world.plan.keys) this.#world.sees(102, key, foundIn(found.get(key)));
    for (const client of this.#world.clients) client.revive();
  }

  #failServer(): void {
    if (this.#serverDeaths >= serverDeathsMost) return;
    this.#serverDeaths += 1;
    this.#world.calls.serverDied();
  }

  /** `other` is given up although it may live. */
  #giveUp(client: Client, other: Client): void {
    if (this.#suspicions >= suspicionsMost) return;
    if (client === other || client.isDead || !other.identity.hasEntered) return;
    this.#suspicions += 1;
    if (!other.identity.simulated.isFenced) this.#world.faultCounts.add("given up alive");
    this.#world.interleaver.fence(other.identity.simulated);
    client.reap(other.identity.session.clientId);
  }

  /**
   * A death is noticed, most often a late one: fenced first, taken back second. An id that was
   * given up counts as dead, too: whoever began to take it back may have been given up itself.
   */
  #reap(client: Client): void {
    const all = [...this.#world.identities.values()].filter(
      ({ simulated }) => simulated.isKilled || simulated.isFenced,
    );
    const left = all.filter(({ isBuried }) => !isBuried);
    // Now and then somebody is late, and takes back what was taken back before.
    const dead = this.#world.prng.chance(0.9) ? left : all;
    const judged =
      dead[
        Math.max(this.#world.prng.below(dead.length + 1), this.#world.prng.below(dead.length + 1))
      ];
    if (judged === undefined || judged === client.identity) return;
    this.#world.interleaver.fence(judged.simulated);
    client.reap(judged.session.clientId);
  }
}

function foundIn(version: StoredVersion | undefined): Found | undefined {
  return version && { value: version.value, version: version.commitNumber };
}
