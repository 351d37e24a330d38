// What a coordinator takes for a request: nothing of anything else ever happens.

import fc from "fast-check";
import { expect, test } from "vitest";
import { failureOf } from "./contract-failures.ts";
import { World } from "./contract-scene.ts";
import { invalidRequest } from "./validate.ts";

const ticket = { term: 1, session: 1, slot: 0, sequence: 1 };
const key = Buffer.from("k");
const value = Buffer.from("v");
const put = { op: "put", key, value, ifVersion: null, timeoutMs: null, ticket };

test.each([
  { op: "hello" },
  { op: "get", key, timeoutMs: 5 },
  { op: "get", key, timeoutMs: null },
  { op: "keys", after: null, timeoutMs: null },
  { op: "keys", after: key, timeoutMs: 0 },
  { op: "stats", timeoutMs: null },
  { op: "bye", greeting: { term: 1, session: 1 } },
  put,
  { ...put, value: new Uint8Array(2 ** 20), ifVersion: 0 },
  { op: "delete", key, ifVersion: 3, timeoutMs: 5.5, ticket },
])("a request: %o", (request) => {
  expect(invalidRequest(request)).toBeNull();
});

test.each([
  undefined,
  null,
  [],
  "hello",
  {},
  { op: 7 },
  { op: "toString" },
  { op: "get", key: "k", timeoutMs: null },
  { op: "get", key: new Uint8Array(0), timeoutMs: null },
  { op: "get", key: new Uint8Array(1025), timeoutMs: null },
  { op: "get", key, timeoutMs: -1 },
  { op: "get", key, timeoutMs: Number.NaN },
  { op: "get", key },
  { op: "bye" },
  { ...put, value: new Uint8Array(2 ** 20 + 1) },
  { ...put, value: undefined },
  { ...put, ifVersion: -1 },
  { ...put, ifVersion: 1.5 },
  { ...put, ticket: undefined },
  { ...put, ticket: { ...ticket, slot: 65_536 } },
  { ...put, ticket: { ...ticket, sequence: 0 } },
  { ...put, ticket: { ...ticket, term: 0 } },
])("not a request: %o", (request) => {
  expect(invalidRequest(request)).not.toBeNull();
});

test("whatever arrives is refused or answered, and changes nothing that is no write", async () => {
  const world = new World();
  const host = await world.start();
  const client = await world.client();
  await world.put(client, "k", "v");
  const anything = fc.oneof(
    fc.anything(),
    fc.record({ op: fc.constantFrom("get", "put", "keys", "bye", "stats"), key: fc.anything() }),
  );
  await fc.assert(
    fc.asyncProperty(anything, async (request) => {
      const answer = (async () => host.handle(request))();
      if (invalidRequest(request) !== null) await failureOf(answer, "PDPM_INVALID_ARGUMENT");
      else expect(await answer).toBeTypeOf("object");
    }),
    { numRuns: 200 },
  );
  expect(await world.get(client, "k")).toBe("v");
  await world.close();
});
