// Requests come from sockets: what is none is refused, and nothing that arrives is a crash.

import { isPdpmError, Prng } from "@pdpm/base";
import { expect, test } from "vitest";
import { bits, buffer, key, scene } from "./contract-scene.ts";
import { type Change, callSlots, type MetadataRequest, type Question } from "./protocol.ts";
import { invalidRequest } from "./validate.ts";

const k = key("k");
const [p, q] = [buffer(1, 0), buffer(1, 1)];
const part = { chunk: 1, span: 0, bitmap: bits(0), spent: bits(1) };

const questions: readonly Question[] = [
  { ask: "lookup", key: k },
  { ask: "table" },
  { ask: "keys", prefix: new Uint8Array(0), after: null, limit: 1 },
  { ask: "space" },
  { ask: "clients" },
  { ask: "leases", client: 1 },
  { ask: "taken", chunk: 1 },
  { ask: "offices" },
];
const changes: readonly Change[] = [
  { do: "enter", pid: 1, kind: "file" },
  { do: "leave" },
  { do: "acknowledge", generation: 0 },
  { do: "lease", sizeClass: 0, buffers: 1 },
  { do: "giveBack", spans: [part] },
  { do: "addChunk", node: 0, place: 1, sizeClass: 0 },
  { do: "create", key: k, pointer: p, commitNumber: 1 },
  { do: "advance", moves: [{ key: k, head: p, next: q, freed: [p] }] },
  { do: "forget", key: k, head: p, commitNumber: 1, freed: [p] },
  { do: "forgetMany", keys: [{ key: k, head: p, commitNumber: 1, freed: [p] }] },
  { do: "supersede", key: k, expected: p, pointer: q },
  { do: "clean", cells: [{ key: k, stale: [p] }] },
  { do: "press" },
  { do: "withdraw", chunk: 1 },
  { do: "restore", chunk: 1 },
  { do: "retire", chunk: 1 },
  { do: "recut", chunk: 1, sizeClass: 0 },
  { do: "claim", office: "collector" },
  { do: "resign", office: "coordinator" },
  { do: "markDead", dead: 2 },
  { do: "settle", dead: 2, spans: [part] },
  { do: "bury", dead: 2 },
];
const ticket = { client: 1, slot: callSlots - 1, sequence: 1 };
const requests: readonly MetadataRequest[] = [
  ...questions,
  ...changes.map((change) => ({ ticket, change })),
];

/** Values that are wrong for any field, or for most. */
const junk: readonly unknown[] = [
  undefined,
  null,
  true,
  -1,
  0.5,
  Number.NaN,
  2 ** 60,
  "",
  "__proto__",
  -1n,
  2n ** 62n,
  1n << 20n,
  new Uint8Array(5000),
  [],
  [null],
  {},
  () => 0,
];

test.each(requests)("$ask $change.do: right as it is", (request) => {
  expect(invalidRequest(request)).toBeNull();
});

/** Copies of `value` with one field, at any depth, replaced by `other`. */
function* spoilt(value: unknown, other: unknown): Generator<unknown> {
  yield other;
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return;
  for (const [name, field] of Object.entries(value)) {
    for (const wrong of spoilt(field, other)) {
      const copy: Record<string, unknown> = Array.isArray(value)
        ? ([...value] as unknown as Record<string, unknown>)
        : { ...value };
      copy[name] = wrong;
      yield copy;
    }
  }
}

test("a request with any field spoilt is refused, or answered, and never a crash", async () => {
  const { service } = await scene();
  let refused = 0;
  let answered = 0;
  for (const request of requests) {
    for (const other of junk) {
      for (const wrong of spoilt(request, other)) {
        try {
          await service.handle(wrong as MetadataRequest);
          answered += 1;
        } catch (error) {
          expect(isPdpmError(error) && error.code).toMatch(
            /^PDPM_(INVALID_ARGUMENT|FENCED|CORRUPT)$/,
          );
          refused += 1;
        }
      }
    }
  }
  expect(refused).toBeGreaterThan(1000);
  expect(answered).toBeLessThan(refused / 4);
});

test.each([
  [{ ask: "lookup", key: new Uint8Array(0) }, "the key"],
  [{ ask: "lookup", key: new Uint8Array(1025) }, "the key"],
  [{ ask: "keys", prefix: k, after: null, limit: 4097 }, "the limit"],
  [{ ask: "constructor" }, 'nothing is called "constructor"'],
  [{ change: { do: "press" } }, "has a ticket"],
  [{ ticket: { ...ticket, slot: callSlots }, change: { do: "press" } }, "has a ticket"],
  [{ ticket: { ...ticket, client: 0 }, change: { do: "press" } }, "has a ticket"],
  [{ ticket: { ...ticket, sequence: 0 }, change: { do: "press" } }, "has a ticket"],
  [{ ticket, change: { do: "create", key: k, pointer: p, commitNumber: 0 } }, "the commitNumber"],
  [
    { ticket, change: { do: "create", key: k, pointer: 1n << 20n, commitNumber: 1 } },
    "the pointer",
  ],
  [{ ticket, change: { do: "lease", sizeClass: 58, buffers: 1 } }, "the sizeClass"],
  [
    { ticket, change: { do: "giveBack", spans: [{ ...part, bitmap: bits(0).subarray(1) }] } },
    "spans",
  ],
  [
    { ticket, change: { do: "advance", moves: [{ key: k, head: p, next: q, freed: [] }] } },
    "moves",
  ],
  [
    { ticket, change: { do: "advance", moves: [{ key: k, head: p, next: q, freed: [q] }] } },
    "moves",
  ],
  [
    { ticket, change: { do: "advance", moves: [{ key: k, head: p, next: q, freed: [p, q] }] } },
    "moves",
  ],
  [{ ticket, change: { do: "giveBack", spans: new Array(4097).fill(part) } }, "spans"],
  [{ ticket, change: { do: "withdraw", chunk: 2 ** 20 - 1 } }, "the chunk"],
])("%o is refused", (request, reason) => {
  expect(invalidRequest(request)).toContain(reason);
});

test("random bytes of shape are never a request", () => {
  const prng = new Prng("validate");
  for (let i = 0; i < 2000; i += 1) {
    const value: Record<string, unknown> = {};
    for (const name of ["ask", "ticket", "change", "do", "key"]) {
      if (prng.chance(0.5)) value[name] = junk[prng.below(junk.length)];
    }
    expect(typeof invalidRequest(value)).toBe("string");
  }
});
