// Whether something that arrived is a request. It may come from a socket, so every field is looked
// at before anything believes in it.

import { keyBytesMost, valueBytesMost } from "@pdpm/kv";
import { requestSlots } from "./protocol.ts";

type Check = (value: unknown) => boolean;
type Shape = Readonly<Record<string, Check>>;

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const integer =
  (least: number, most: number = Number.MAX_SAFE_INTEGER): Check =>
  (value) =>
    Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most;
const bytes =
  (least: number, most: number): Check =>
  (value) =>
    value instanceof Uint8Array && value.length >= least && value.length <= most;
const orNull =
  (check: Check): Check =>
  (value) =>
    value === null || check(value);
const shape =
  (fields: Shape): Check =>
  (value) =>
    isObject(value) && Object.entries(fields).every(([name, check]) => check(value[name]));

const key = bytes(1, keyBytesMost);
const timeoutMs = orNull((value) => Number.isFinite(value) && (value as number) >= 0);
const ifVersion = orNull(integer(0));
const term = integer(1);
const session = integer(1);
const ticket = shape({
  term,
  session,
  slot: integer(0, requestSlots - 1),
  sequence: integer(1),
});

const requests: Readonly<Record<string, Shape>> = {
  hello: {},
  get: { key, timeoutMs },
  keys: { after: orNull(key), timeoutMs },
  stats: { timeoutMs },
  bye: { greeting: shape({ term, session }) },
  put: { key, value: bytes(0, valueBytesMost), ifVersion, timeoutMs, ticket },
  delete: { key, ifVersion, timeoutMs, ticket },
};

/** Why `request` is no request to a coordinator, or null. */
export function invalidRequest(request: unknown): string | null {
  if (!isObject(request)) return "a request is an object";
  const { op } = request;
  if (typeof op !== "string" || !Object.hasOwn(requests, op)) {
    return `nothing is called ${JSON.stringify(String(op).slice(0, 40))}`;
  }
  for (const [field, check] of Object.entries(requests[op] as Shape)) {
    if (!check(request[field])) return `the ${field} of "${op}" cannot be`;
  }
  return null;
}
