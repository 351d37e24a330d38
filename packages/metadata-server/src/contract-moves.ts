// What the clients of a world do, one function per kind of operation. Each goes as a real client
// does: memory first where memory comes first, then the service; and it believes the replies.

import { addressIn, bufferBytes, buffersPerSpan, offsetOf, type Pointer } from "@pdpm/layout";
import { bits, key, otherClass, sizeClass } from "./contract-scene.ts";
import {
  type Life,
  type OwnedSpan,
  stringOf,
  type World,
  type WorldClient,
} from "./contract-world.ts";
import type { ReturnedPart } from "./protocol.ts";

/** An operation of a client in one of its call slots. */
export type Operation = (world: World, client: WorldClient, slot: number) => Promise<void>;

const cloverKeys = ["a", "b", "c"];
const centralKeys = ["A", "B", "C"];

/** The size class of a chunk. */
async function classOf(world: World, chunk: number): Promise<number> {
  if (!world.classes.has(chunk)) {
    const { chunks } = await world.service.handle({ ask: "table" });
    for (const entry of chunks) world.classes.set(entry.chunk, entry.sizeClass);
  }
  return world.classes.get(chunk) as number;
}

/** Claims that a client which was not given up gets one of the replies that can be. */
function expectReply(world: World, client: WorldClient, isRight: boolean, reply: unknown): void {
  if (!isRight && !client.isFenced) {
    throw new Error(`client ${client.id} was answered ${stringOf(reply)} in ${world.commits}`);
  }
}

export const lease: Operation = async (world, client, slot) => {
  const wanted = world.prng.chance(0.7) ? sizeClass : otherClass;
  const buffers = 1 + world.prng.below(30);
  const reply = await world.change(client, slot, { do: "lease", sizeClass: wanted, buffers });
  if (reply === undefined || reply === "full") return;
  if ("spans" in reply) {
    world.take(client, reply.spans, wanted);
    return;
  }
  const { node, place } = reply.grow;
  await world.change(client, slot, { do: "addChunk", node, place, sizeClass: wanted });
};

export const create: Operation = async (world, client, slot) => {
  const name = world.pick(cloverKeys) as string;
  const found = await world.service.handle({ ask: "lookup", key: key(name) });
  // Now and then somebody creates what exists, and is to be told.
  if (found.head !== null && world.prng.below(8) > 0) return;
  const used = world.use(client);
  if (used === undefined) return;
  const { pointer, span } = used;
  const commitNumber = Math.max(1, found.floor + world.prng.below(3));
  const life = { key: name, chain: [pointer], commitNumber, isSealed: false };
  world.lives.set(pointer, life);
  const reply = await world.change(client, slot, {
    do: "create",
    key: key(name),
    pointer,
    commitNumber,
  });
  span.busy -= 1;
  if (reply === undefined) return;
  if (reply === "created") {
    world.begin(life);
    return;
  }
  const isRight = typeof reply === "object" && (!("floor" in reply) || reply.floor >= commitNumber);
  expectReply(world, client, isRight, reply);
  world.lives.delete(pointer);
  world.putBack(span, pointer);
};

/** Appends versions to chains, in memory only. */
export const link: Operation = async (world, client) => {
  for (let count = 1 + world.prng.below(4); count > 0; count -= 1) {
    const name = world.pick(cloverKeys) as string;
    const { head } = await world.service.handle({ ask: "lookup", key: key(name) });
    const life = head === null ? undefined : world.lives.get(head);
    const used = life && !life.isSealed ? world.use(client) : undefined;
    if (life === undefined || used === undefined) continue;
    used.span.busy -= 1;
    life.chain.push(used.pointer);
    life.commitNumber += 1;
    world.lives.set(used.pointer, life);
  }
};

function moveOf(
  world: World,
  life: Life,
  head: Pointer,
): { next: Pointer; freed: Pointer[] } | undefined {
  const from = life.chain.indexOf(head);
  const steps = 1 + world.prng.below(3);
  const next = life.chain[from + steps];
  if (next === undefined) return undefined;
  return { next, freed: life.chain.slice(from, from + steps) };
}

export const advance: Operation = async (world, client, slot) => {
  const moves = [];
  for (const name of cloverKeys) {
    if (world.prng.chance(0.4)) continue;
    const { head } = await world.service.handle({ ask: "lookup", key: key(name) });
    const life = head === null ? undefined : world.lives.get(head);
    const move = head !== null && life !== undefined && moveOf(world, life, head);
    if (move) moves.push({ key: key(name), head: head as Pointer, ...move });
  }
  const replies = await world.change(client, slot, { do: "advance", moves });
  for (const [i, reply] of (replies ?? []).entries()) {
    if (reply === "moved") continue;
    // Somebody else moved it, or it was forgotten; it is never where it was before.
    if (reply.head === moves[i]?.head) throw new Error("a move that matches was not made");
  }
};

export const forget: Operation = async (world, client, slot) => {
  const name = world.pick(cloverKeys) as string;
  for (;;) {
    const { head } = await world.service.handle({ ask: "lookup", key: key(name) });
    const life = head === null ? undefined : world.lives.get(head);
    if (head === null || life === undefined || client.isFenced) return;
    life.isSealed = true;
    await world.memoryWork();
    const freed = life.chain.slice(life.chain.indexOf(head));
    const { commitNumber } = life;
    const forgotten = { key: key(name), head, commitNumber, freed };
    const reply = world.prng.chance(0.5)
      ? await world.change(client, slot, { do: "forget", ...forgotten })
      : (await world.change(client, slot, { do: "forgetMany", keys: [forgotten] }))?.[0];
    if (reply === "forgotten") world.end(life);
    if (reply === undefined || reply === "forgotten" || reply.head === null) return;
  }
};

/** Does something with a Central key that nobody else is busy with. */
async function withKey(world: World, work: (name: string) => Promise<void>): Promise<void> {
  const name = world.pick(centralKeys.filter((other) => !world.locked.has(other)));
  if (name === undefined) return;
  world.locked.add(name);
  try {
    await work(name);
  } finally {
    world.locked.delete(name);
  }
}

export const putCentral: Operation = (world, client, slot) =>
  withKey(world, async (name) => {
    const { head, floor } = await world.service.handle({ ask: "lookup", key: key(name) });
    const used = world.use(client);
    if (used === undefined) return;
    const { pointer, span } = used;
    world.cells.set(pointer, name);
    const reply =
      head === null
        ? await world.change(client, slot, {
            do: "create",
            key: key(name),
            pointer,
            commitNumber: floor + 1,
          })
        : await world.change(client, slot, {
            do: "supersede",
            key: key(name),
            expected: head,
            pointer,
          });
    span.busy -= 1;
    if (reply === undefined || reply === "created" || reply === "done") return;
    expectReply(world, client, typeof reply === "object" && "floor" in reply, reply);
    world.cells.delete(pointer);
    world.putBack(span, pointer);
  });

export const clean: Operation = (world, client, slot) =>
  withKey(world, async (name) => {
    const { stale } = await world.service.handle({ ask: "lookup", key: key(name) });
    const some = stale.filter(() => world.prng.chance(0.6));
    if (some.length === 0) return;
    const cells = [{ key: key(name), stale: some }];
    const reply = await world.change(client, slot, { do: "clean", cells });
    if (reply !== undefined && reply[0] !== "cleaned") throw new Error("a stale cell is unknown");
  });

export const forgetCentral: Operation = (world, client, slot) =>
  withKey(world, async (name) => {
    const { head, stale, floor } = await world.service.handle({ ask: "lookup", key: key(name) });
    if (head === null) return;
    const freed = [head, ...stale];
    const change = { do: "forget", key: key(name), head, commitNumber: floor + 5, freed } as const;
    const reply = await world.change(client, slot, change);
    if (reply !== undefined && reply !== "forgotten") throw new Error("a key was not forgotten");
  });

async function returned(world: World, owned: OwnedSpan): Promise<ReturnedPart> {
  const { chunk, span, unused, spent } = owned;
  const ofClass = await classOf(world, chunk);
  const bitOf = (address: number): number =>
    (offsetOf(address) / bufferBytes(ofClass)) % buffersPerSpan(ofClass);
  const bitmap = bits(...[...unused].map(bitOf));
  return { chunk, span, bitmap, spent: bits(...[...spent].map(bitOf)) };
}

export const giveBack: Operation = async (world, client, slot) => {
  const owned = [...client.spans.entries()].filter(([, { busy }]) => busy === 0);
  const some = owned.filter(() => world.prng.chance(0.6));
  // Not the client's any more, as far as it is concerned.
  for (const [name] of some) client.spans.delete(name);
  const spans = [];
  for (const [, span] of some) spans.push(await returned(world, span));
  await world.change(client, slot, { do: "giveBack", spans });
};

/** A dead client's spans are settled by what its buffers are, and it is buried. */
export const reap: Operation = async (world, client, slot) => {
  const all = await world.service.handle({ ask: "clients" });
  const name = all.find(({ state }) => state === "dead")?.id;
  const dead = world.clients.find(({ id }) => id === name);
  if (dead === undefined) return;
  const parts = await world.service.handle({ ask: "leases", client: dead.id });
  const spans: ReturnedPart[] = [];
  for (const { chunk, span, bitmap } of parts) {
    const owned = { chunk, span, unused: new Set<number>(), spent: new Set<number>(), busy: 0 };
    const ofClass = await classOf(world, chunk);
    const known = { ...dead, spans: new Map() };
    world.take(known, [{ chunk, span, bitmap }], ofClass);
    for (const address of [...known.spans.values()].flatMap(({ unused }) => [...unused])) {
      if (!(await isLinked(world, address))) owned.unused.add(address);
    }
    spans.push(await returned(world, owned));
  }
  await world.change(client, slot, { do: "settle", dead: dead.id, spans });
  const reply = await world.change(client, slot, { do: "bury", dead: dead.id });
  if (reply === "owes") throw new Error(`client ${dead.id} owes spans after it was settled`);
  if (reply === "buried") world.remove(dead);
};

/** Whether a buffer's last version is part of a chain, or a cell of a key. */
async function isLinked(world: World, address: number): Promise<boolean> {
  for (const [pointer, life] of world.lives) {
    if (addressIn(pointer) !== address) continue;
    const { head } = await world.service.handle({ ask: "lookup", key: key(life.key) });
    const current = head === null ? undefined : world.lives.get(head);
    if (current === life && life.chain.indexOf(pointer) >= life.chain.indexOf(head as Pointer)) {
      return true;
    }
  }
  for (const [pointer, name] of world.cells) {
    if (addressIn(pointer) !== address) continue;
    const { head, stale } = await world.service.handle({ ask: "lookup", key: key(name) });
    if (head === pointer || stale.includes(pointer)) return true;
  }
  return false;
}

export const kill: Operation = async (world, client, slot) => {
  const victim = world.pick(world.clients.filter((other) => other !== client && !other.isFenced));
  if (victim === undefined || !world.prng.chance(0.2)) return;
  // Fenced at the memory nodes first: it links nothing any more.
  victim.isFenced = true;
  const reply = await world.change(client, slot, { do: "markDead", dead: victim.id });
  // Its killer was dead itself.
  if (reply === undefined) victim.isFenced = false;
};

export const leave: Operation = async (world, client, slot) => {
  if (client.busy > 1 || !world.prng.chance(0.2)) return;
  client.isLeaving = true;
  const reply = await world.change(client, slot, { do: "leave" });
  if (reply === undefined) return;
  const isRight = (reply === "owes") === client.spans.size > 0;
  expectReply(world, client, isRight, reply);
  client.isLeaving = false;
  if (reply === "left") world.remove(client);
};

export const acknowledge: Operation = async (world, client, slot) => {
  const { generation } = await world.service.handle({ ask: "table" });
  await world.change(client, slot, { do: "acknowledge", generation });
};

export const rework: Operation = async (world, client, slot) => {
  const { chunks } = await world.service.handle({ ask: "table" });
  const entry = world.pick(chunks);
  if (entry === undefined) return;
  const { chunk, state } = entry;
  if (state === "active") {
    if (world.prng.chance(0.3)) await world.change(client, slot, { do: "withdraw", chunk });
  } else if (state === "retired") {
    const next = world.prng.chance(0.5) ? sizeClass : otherClass;
    await world.change(client, slot, { do: "recut", chunk, sizeClass: next });
  } else if (world.prng.chance(0.2)) await world.change(client, slot, { do: "restore", chunk });
  else await world.change(client, slot, { do: "retire", chunk });
};
