// Random changes of several clients through two services over one store: commits conflict, services
// die before and after them, requests arrive twice and late, clients die. After every step the
// store must be what the clients know, buffer by buffer. PDPM_SEED=... replays one run.

import { Prng } from "@pdpm/base";
import { expect, test } from "vitest";
import * as moves from "./contract-moves.ts";
import * as truths from "./contract-truth.ts";
import { World } from "./contract-world.ts";

const seeds = process.env["PDPM_SEED"] ? [process.env["PDPM_SEED"]] : [..."abcdefgh"];
const met = new Map<string, number>();
const steps = 120;
const atOnceMost = 6;

/** How often each kind of operation is tried. */
const weights: readonly [moves.Operation, number][] = [
  [moves.lease, 4],
  [moves.create, 6],
  [moves.link, 14],
  [moves.advance, 6],
  [moves.forget, 3],
  [moves.putCentral, 5],
  [moves.clean, 3],
  [moves.forgetCentral, 1],
  [moves.giveBack, 4],
  [moves.reap, 2],
  [moves.kill, 2],
  [moves.leave, 2],
  [moves.acknowledge, 4],
  [moves.rework, 4],
];
const bag = weights.flatMap(([operation, weight]) => new Array(weight).fill(operation));

async function step(world: World): Promise<void> {
  await world.populate();
  const slots = world.clients.flatMap((client) =>
    client.isFenced ? [] : client.sequences.map((_, slot) => ({ client, slot })),
  );
  const works: Promise<void>[] = [];
  for (let count = 1 + world.prng.below(atOnceMost); count > 0 && slots.length > 0; count -= 1) {
    const [{ client, slot }] = slots.splice(world.prng.below(slots.length), 1) as [
      { client: World["clients"][number]; slot: number },
    ];
    const operation = world.pick(bag) as moves.Operation;
    if (client.isLeaving) continue;
    client.busy += 1;
    works.push(
      operation(world, client, slot).finally(() => {
        client.busy -= 1;
      }),
    );
  }
  if (world.prng.chance(0.3)) works.push(world.deliverLate());
  for (const result of await Promise.allSettled(works)) {
    if (result.status === "rejected") throw result.reason;
  }
}

/** With nobody else about, a lease takes the first spans of the queue that are not withdrawn. */
async function checkOrder(world: World, { queue, chunks }: truths.Truth): Promise<void> {
  const client = world.clients.find(({ isFenced, isLeaving }) => !isFenced && !isLeaving);
  if (client === undefined) return;
  const before = new Set(client.spans.keys());
  await moves.lease(world, client, 0);
  const taken = [...client.spans.values()].filter(
    ({ chunk, span }) => !before.has(`${chunk}.${span}`),
  );
  const ofClass = chunks.get(taken[0]?.chunk ?? 0)?.sizeClass;
  const due = queue.filter(
    ({ chunk, sizeClass }) => sizeClass === ofClass && chunks.get(chunk)?.state === "active",
  );
  const name = (at: { chunk: number; span: number }): string => `${at.chunk}.${at.span}`;
  expect(taken.map(name)).toEqual(due.slice(0, taken.length).map(name));
}

test.each(seeds)("seed %s: every buffer is where it belongs after every step", async (seed) => {
  const world = new World(new Prng(seed));
  let before = await truths.readTruth(world);
  for (let count = 0; count < steps; count += 1) {
    await step(world);
    const truth = await truths.readTruth(world);
    truths.checkClients(world, truth);
    truths.checkBuffers(world, truth);
    truths.checkQueue(truth);
    truths.checkOwners(truth);
    truths.checkTable(truth, before);
    await truths.checkCounters(world, truth);
    before = truth;
    if (count % 6 === 0) await checkOrder(world, truth);
  }
  for (const [what, times] of world.met) met.set(what, (met.get(what) ?? 0) + times);
});

test("the runs met every reply that clients must be ready for", () => {
  const wanted = [
    ["addChunk: chunk", "advance: head", "advance: moved", "bury: buried"],
    ["clean: cleaned", "create: created", "create: exists", "create: floor", "forget: forgotten"],
    ["forget: head", "killed", "late: refused", "lease: full", "lease: grow", "lease: spans"],
    ["leave: owes", "PDPM_FENCED", "recut: chunk", "recut: waitingFor"],
    [
      "a commit of several changes",
      "restore: done",
      "retire: busy",
      "retire: full",
      "retire: generation",
      "supersede: done",
    ],
  ].flat();
  const missed = wanted.filter((what) => !met.has(what));
  if (seeds.length > 1) expect(missed).toEqual([]);
});
