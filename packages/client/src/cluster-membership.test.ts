// Who is alive and who is dead, for clients that map some memory nodes, all, or none. The nodes are
// made up: they keep the promise of a memory node (whoever holds a lease there is not fenced), and
// what they fence is seen at once.

import { PdpmError } from "@pdpm/base";
import { LeaseKind } from "@pdpm/layout";
import type { Lease } from "@pdpm/transport-mapped";
import { beforeEach, expect, test } from "vitest";
import { ClusterMembership, leaseMs, type Member } from "./cluster-membership.ts";
import type { LeaseFacts } from "./membership.ts";

const id = 7;
const pid = 4711;
let now = 0;
const clock = { now: () => now, after: () => () => undefined };

/** A memory node of which only the control calls are there. */
class Node implements Member {
  readonly leases = undefined;
  /** Who maps it, by client id. */
  readonly held = new Set<number>();
  readonly fenced: number[] = [];
  asked = 0;
  isDown = false;
  readonly #isMapped: boolean;

  constructor(isMapped = false) {
    this.#isMapped = isMapped;
  }

  readonly ws = {
    judge: async (client: number) => {
      this.#ask();
      return this.held.has(client) ? { alive: true as const, pid } : { alive: false as const };
    },
    fence: async (client: number) => {
      this.#ask();
      if (this.held.has(client)) throw new PdpmError("PDPM_BUSY", `client ${client} lives`);
      this.fenced.push(client);
    },
  };

  async admit(client = id): Promise<number> {
    return client;
  }

  async takeLease(_clock: unknown, client: number): Promise<Lease | undefined> {
    if (!this.#isMapped) return undefined;
    this.held.add(client);
    return { id: client, release: () => void this.held.delete(client) };
  }

  #ask(): void {
    this.asked += 1;
    if (this.isDown) throw new PdpmError("PDPM_UNAVAILABLE", "the node does not answer");
  }
}

let nodes: [Node, Node, Node];
let judge: ClusterMembership;
beforeEach(() => {
  now = 1000;
  nodes = [new Node(), new Node(), new Node()];
  judge = new ClusterMembership(clock, nodes);
});

const facts = (kind: LeaseKind, heartbeat = 1): LeaseFacts => ({ kind, heartbeat, pid });
const fenced = (): number[] => nodes.flatMap((node) => node.fenced);

/** Every node is asked whether a client of this kind lives, after a long silence. */
async function isAlive(kind: LeaseKind | undefined): Promise<boolean> {
  const lease = kind === undefined ? undefined : facts(kind);
  await judge.judge(id, lease);
  now += leaseMs;
  return (await judge.judge(id, lease)).alive;
}

test.each([
  [0, 1],
  [1, 1],
  [2, 2],
])("a client that maps nodes %i to %i only says that it holds a lease file", async (from, to) => {
  const mapped = nodes.map((_, i) => new Node(i >= from && i <= to));
  const identity = await new ClusterMembership(clock, mapped).enter();
  expect(identity).toMatchObject({ clientId: id, kind: LeaseKind.file });
  expect(mapped.map(({ held }) => held.has(id))).toEqual(
    mapped.map((_, i) => i >= from && i <= to),
  );
  await identity.leave();
  expect(mapped.some(({ held }) => held.has(id))).toBe(false);
});

test("a client that maps no node says that it has a heartbeat alone", async () => {
  expect(await judge.enter()).toMatchObject({ kind: LeaseKind.heartbeat });
});

test.each([
  ["file", LeaseKind.file],
  ["heartbeat", LeaseKind.heartbeat],
  ["no record", undefined],
])(
  "who holds a lease at any node lives, however silent, and is fenced nowhere: %s",
  async (_, kind) => {
    for (const node of nodes) {
      node.held.add(id);
      expect(await isAlive(kind)).toBe(true);
      expect(fenced()).toEqual([]);
      node.held.delete(id);
    }
    expect(await isAlive(kind)).toBe(false);
    for (const node of nodes) expect(node.fenced).toContain(id);
  },
);

test("a mixed client is dead when no node sees its lease held, and all have fenced it", async () => {
  nodes[1].held.add(id);
  nodes[2].held.add(id);
  expect(await judge.judge(id, facts(LeaseKind.file))).toEqual({ alive: true, who: `pid ${pid}` });
  nodes[1].held.delete(id);
  expect(await isAlive(LeaseKind.file)).toBe(true);
  nodes[2].held.delete(id);
  expect(await judge.judge(id, facts(LeaseKind.file))).toEqual({ alive: false, who: "dead" });
  for (const node of nodes) expect(node.fenced).toEqual([id]);
});

test("while one node cannot be asked nobody is dead, nor fenced at the others", async () => {
  nodes[2].isDown = true;
  const judgement = await judge.judge(id, facts(LeaseKind.file));
  expect(judgement).toMatchObject({ alive: true, who: expect.stringContaining(`pid ${pid}`) });
  expect(fenced()).toEqual([]);
  nodes[2].isDown = false;
  expect(await isAlive(LeaseKind.file)).toBe(false);
});

test("a node that vouches for a client is enough, whatever the others do", async () => {
  nodes[0].isDown = true;
  nodes[1].ws.judge = () => new Promise(() => undefined);
  nodes[2].held.add(id);
  expect(await judge.judge(id, facts(LeaseKind.file))).toEqual({ alive: true, who: `pid ${pid}` });
});

test("who takes a lease between the question and the fence is not dead", async () => {
  const { judge: ask } = nodes[1].ws;
  nodes[1].ws.judge = async (client) => {
    const answer = await ask(client);
    nodes[1].held.add(client);
    return answer;
  };
  expect((await judge.judge(id, undefined)).alive).toBe(true);
});

test("a heartbeat that changes is asked for nowhere; one that does not for the lease time is", async () => {
  for (let beat = 1; beat < 5; beat += 1) {
    expect((await judge.judge(id, facts(LeaseKind.heartbeat, beat))).alive).toBe(true);
    now += 2 * leaseMs;
  }
  now -= leaseMs + 1;
  expect((await judge.judge(id, facts(LeaseKind.heartbeat, 4))).alive).toBe(true);
  expect(nodes.map(({ asked }) => asked)).toEqual([0, 0, 0]);
  now += 1;
  expect((await judge.judge(id, facts(LeaseKind.heartbeat, 4))).alive).toBe(false);
  expect(fenced()).toEqual([id, id, id]);
});

test("a fault of ours is not taken for a node that is out of reach", async () => {
  nodes[1].ws.fence = () => Promise.reject(new TypeError("a bug"));
  await expect(judge.judge(id, undefined)).rejects.toThrow("a bug");
});

test("who is about to enter is not fenced: its record does not say yet of which kind it is", async () => {
  const making = { kind: 0, heartbeat: 0, pid: 0 } as unknown as LeaseFacts;
  expect((await judge.judge(id, making)).alive).toBe(true);
  now += leaseMs - 1;
  expect((await judge.judge(id, making)).alive).toBe(true);
  expect(fenced()).toEqual([]);
  // It goes on as a client of either kind.
  expect((await judge.judge(id, facts(LeaseKind.heartbeat))).alive).toBe(true);
  // Or it died there.
  now += leaseMs;
  await judge.judge(id, making);
  now += leaseMs;
  expect((await judge.judge(id, making)).alive).toBe(false);
});
