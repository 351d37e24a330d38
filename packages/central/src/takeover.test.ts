// Coordinators die at any step, the next one takes over: what was acknowledged is there, what was
// told to be unknown happened or did not, numbers only grow, and nothing leaks.

import { isPdpmError, type Prng } from "@pdpm/base";
import { toKey } from "@pdpm/kv";
import { expect, test } from "vitest";
import type { CentralBackend } from "./central-backend.ts";
import { audit } from "./contract-audit.ts";
import { World } from "./contract-scene.ts";

/** One key, and what it may be. */
class Tracked {
  readonly name: string;
  /** Values that a read may find; undefined: missing. */
  possible: (string | undefined)[] = [undefined];
  version = 0;
  #writes = 0;

  constructor(name: string) {
    this.name = name;
  }

  /** One operation. */
  async step(client: CentralBackend, prng: Prng): Promise<void> {
    const choice = prng.float();
    if (choice < 0.3) await this.read(client);
    else if (choice < 0.85) await this.#write(client, prng);
    else await this.#delete(client);
  }

  async read(client: CentralBackend): Promise<void> {
    const found = await client.get(toKey(this.name), {});
    const value = found && Buffer.from(found.value).toString();
    expect(this.possible, this.name).toContain(value);
    if (found !== undefined) {
      expect(found.version).toBeGreaterThanOrEqual(this.version);
      this.version = found.version;
    }
    this.possible = [value];
  }

  async #write(client: CentralBackend, prng: Prng): Promise<void> {
    this.#writes += 1;
    const value = `${this.name}:${this.#writes}:`.padEnd(prng.below(400), "x");
    await this.#attempt(value, async () => {
      const version = await client.put(toKey(this.name), Buffer.from(value), undefined, {});
      expect(version).toBeGreaterThan(this.version);
      this.version = version;
    });
  }

  async #delete(client: CentralBackend): Promise<void> {
    await this.#attempt(undefined, async () => {
      await client.delete(toKey(this.name), undefined, {});
    });
  }

  async #attempt(value: string | undefined, work: () => Promise<void>): Promise<void> {
    try {
      await work();
      this.possible = [value];
    } catch (error) {
      if (!isPdpmError(error)) throw error;
      if (error.outcome === "unknown") this.possible.push(value);
    }
  }
}

async function settled(world: World, client: CentralBackend, keys: Tracked[]): Promise<void> {
  for (const key of keys) await key.read(client);
  await client.stats(); // Cleans and gives back what is in hand.
  expect(await audit(world)).toEqual([]);
}

const seeds = Array.from({ length: 8 }, (_, i) => `takeover ${i}`);

test.each(seeds)(
  "coordinators are killed at any step (%s)",
  async (seed) => {
    const world = new World({ seed, mappingMost: 6 });
    const { prng } = world;
    const keys = Array.from({ length: 10 }, (_, i) => new Tracked(`key ${i}`));
    await world.start();
    const client = await world.client();
    let isOver = false;
    const drivers = keys.map(async (key) => {
      const own = prng.fork(key.name);
      while (!isOver) await key.step(client, own);
    });
    for (let deaths = 0; deaths < 6; deaths += 1) {
      await world.dieAfter(prng.below(60));
      // Some die while they take over.
      while (!(await world.tryStart(prng.chance(0.3) ? prng.below(40) : 1e9)));
      world.spare();
    }
    if (world.host === undefined) await world.start();
    isOver = true;
    await Promise.all(drivers);
    await settled(world, client, keys);
    await world.close();
    expect(await audit(world)).toEqual([]);
  },
  60_000,
);
