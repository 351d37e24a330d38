// Whether something that arrived is a request. It may come from a socket, so every field is looked
// at before anything believes in it; what it says about the store is the service's affair.

import {
  chunkNumberLimit,
  clientIdMost,
  gcVersionIn,
  isBufferClass,
  isPointer,
} from "@pdpm/layout";
import { batchMost, bitmapBytes, callSlots, freedMost } from "./protocol.ts";

const keyBytesMost = 1024;
const buffersMost = 2 ** 20;

type Check = (value: unknown) => boolean;
type Shape = Readonly<Record<string, Check>>;
type Named = ReadonlyMap<string, readonly (readonly [field: string, check: Check])[]>;

const integer =
  (least: number, most: number = Number.MAX_SAFE_INTEGER): Check =>
  (value) =>
    Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most;
const oneOf =
  (...names: string[]): Check =>
  (value) =>
    names.some((name) => name === value);
const bytes =
  (least: number, most: number): Check =>
  (value) =>
    value instanceof Uint8Array && value.length >= least && value.length <= most;
const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value);
const listOf =
  (check: Check, least = 0, most: number = batchMost): Check =>
  (value) =>
    Array.isArray(value) && value.length >= least && value.length <= most && value.every(check);
const shape = (fields: Shape): Check => {
  const checks = Object.entries(fields);
  return (value) => isObject(value) && checks.every(([name, check]) => check(value[name]));
};

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const key = bytes(1, keyBytesMost);
const anyKey = bytes(0, keyBytesMost);
const pointer: Check = (value) =>
  typeof value === "bigint" && value >= 0n && isPointer(value) && gcVersionIn(value) > 0;
const bitmap = bytes(bitmapBytes, bitmapBytes);
const client = integer(1, clientIdMost);
const chunk = integer(1, chunkNumberLimit - 2);
const sizeClass: Check = (value) => typeof value === "number" && isBufferClass(value);
const office = oneOf("collector", "coordinator");
const returned = listOf(
  shape({ chunk, span: integer(0, 2 ** 16 - 1), bitmap, spent: optional(bitmap) }),
);
const freed = listOf(pointer, 1, freedMost);
const commitNumber = integer(1);
const isMove = shape({ key, head: pointer, next: pointer, freed });
/** Freeing begins with the head, and never takes the buffer that becomes the head. */
const move: Check = (value) => {
  if (!isMove(value)) return false;
  const { head, next, freed: chain } = value as { head: bigint; next: bigint; freed: bigint[] };
  return chain[0] === head && !chain.includes(next);
};
const forgotten = { key, head: pointer, commitNumber, freed };
const cells = shape({ key, stale: freed });

const ticket = shape({ client, slot: integer(0, callSlots - 1), sequence: integer(1) });

const questions = byName({
  lookup: { key },
  table: {},
  keys: {
    prefix: anyKey,
    after: (value) => value === null || anyKey(value),
    limit: integer(1, batchMost),
  },
  space: {},
  clients: {},
  leases: { client },
  taken: { chunk },
  offices: {},
});

const changes = byName({
  enter: { pid: integer(0, 2 ** 32 - 1), kind: oneOf("file", "pulse") },
  leave: {},
  acknowledge: { generation: integer(0) },
  lease: { sizeClass, buffers: integer(1, buffersMost) },
  giveBack: { spans: returned },
  addChunk: { node: integer(0, 254), place: integer(0, chunkNumberLimit), sizeClass },
  create: { key, pointer, commitNumber },
  advance: { moves: listOf(move) },
  forget: forgotten,
  forgetMany: { keys: listOf(shape(forgotten)) },
  supersede: { key, expected: pointer, pointer },
  clean: { cells: listOf(cells) },
  press: {},
  withdraw: { chunk },
  restore: { chunk },
  retire: { chunk },
  recut: { chunk, sizeClass },
  claim: { office },
  resign: { office },
  markDead: { dead: client },
  settle: { dead: client, spans: returned },
  bury: { dead: client },
});

/** The fields of each, listed once and for all. */
function byName(shapes: Readonly<Record<string, Shape>>): Named {
  return new Map(
    Object.entries(shapes).map(([name, fields]) => [name, Object.entries(fields)] as const),
  );
}

function invalidFields(name: string, shapes: Named, value: object): string | null {
  const fields = shapes.get(name);
  if (fields === undefined) return `nothing is called ${JSON.stringify(name.slice(0, 40))}`;
  for (const [field, check] of fields) {
    if (!check((value as Record<string, unknown>)[field]))
      return `the ${field} of "${name}" cannot be`;
  }
  return null;
}

/** Why `request` is no request, or null. */
export function invalidRequest(request: unknown): string | null {
  if (!isObject(request)) return "a request is an object";
  const { ask, change } = request;
  if (typeof ask === "string") return invalidFields(ask, questions, request);
  if (!ticket(request["ticket"])) return "a change has a ticket of client, slot and sequence";
  if (!isObject(change) || typeof change["do"] !== "string") return "a ticket belongs to a change";
  return invalidFields(change["do"], changes, change);
}
