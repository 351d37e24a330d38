// How connections fail in a simulated network: what reaches the node, what comes back, and when.

import { isPdpmError } from "@pdpm/base";
import { addressOf } from "@pdpm/layout";
import { ArrayMemory, ChunkMap, type Protocol, round, write } from "@pdpm/verbs";
import { expect, test } from "vitest";
import { Interleaver } from "./interleaver.ts";
import { SimulatedClient } from "./task.ts";

const chunkBytes = 4096;
const steps = 500;

/** The same write of one client, twice, after `trouble`; what became of it, and how many steps later. */
function writeAfter(trouble: (interleaver: Interleaver, client: SimulatedClient) => void): {
  readonly isApplied: boolean;
  readonly outcome: string;
  readonly steps: number;
} {
  const memory = new ArrayMemory(chunkBytes, chunkBytes);
  const chunks = new ChunkMap(chunkBytes);
  chunks.set(1, 0, 0);
  const client = new SimulatedClient(1, chunks);
  const seed = "links";
  const interleaver = new Interleaver({ seed, memories: [memory], answer: () => undefined });
  trouble(interleaver, client);
  const begun = interleaver.steps;
  let outcome = "";
  const body = function* (): Protocol<void> {
    for (let i = 0; i < 2; i += 1) {
      yield* round(write(addressOf(1, 64), new Uint8Array(64).fill(7)));
    }
  };
  interleaver.spawn(client, client.operation("put"), "put", body(), (ended) => {
    outcome = "value" in ended ? "ok" : isPdpmError(ended.error) ? ended.error.text : "?";
  });
  interleaver.run();
  const bytes = new Uint8Array(64);
  memory.read(64, bytes);
  return {
    isApplied: bytes.every((byte) => byte === 7),
    outcome,
    steps: interleaver.steps - begun,
  };
}

test("a sound link carries the write there and the reply back", () => {
  const { steps: taken, ...rest } = writeAfter(() => undefined);
  expect(rest).toEqual({ isApplied: true, outcome: "ok" });
  expect(taken).toBeLessThan(steps);
});

test("over a cut link nothing is posted, and the client is told at once", () => {
  const { steps: taken, ...rest } = writeAfter((run, client) => run.cut(client, 0, steps));
  expect(rest).toEqual({ isApplied: false, outcome: "the node cannot be reached" });
  expect(taken).toBeLessThan(steps);
});

test("a clogged link is late", () => {
  const { steps: taken, ...rest } = writeAfter((run, client) => run.clog(client, 0, steps));
  expect(rest).toEqual({ isApplied: true, outcome: "ok" });
  expect(taken).toBeGreaterThanOrEqual(steps);
});

test("deaf: nothing arrives, and it breaks; mute: all arrives, and it breaks", () => {
  for (const [way, isApplied] of [
    ["deafen", false],
    ["mute", true],
  ] as const) {
    const { steps: taken, ...rest } = writeAfter((run, client) => run[way](client, 0, steps));
    expect(rest).toEqual({ isApplied, outcome: "the connection broke" });
    expect(taken).toBeGreaterThanOrEqual(steps - 1);
  }
});

test("a slow node takes its time, whoever asks", () => {
  const { steps: taken, ...rest } = writeAfter((run) => run.slow(0, steps, 50));
  expect(rest).toEqual({ isApplied: true, outcome: "ok" });
  expect(taken).toBeGreaterThan(100);
});

test("healing ends what was to last", () => {
  for (const trouble of ["clog", "slow"] as const) {
    const result = writeAfter((run, client) => {
      if (trouble === "clog") run.clog(client, 0, 100_000);
      else run.slow(0, 100_000, 10_000);
      run.enlist(() => run.heal(), 50);
    });
    expect(result).toMatchObject({ isApplied: true, outcome: "ok" });
    expect(result.steps, trouble).toBeLessThan(steps);
  }
});
