// The messages between a client and a metadata server or coordinator: one msgpack array a ws
// message, binary, of one fragment.
//
//   server, first:   ["hello", Hello]
//   client:          ["call", number, request]     number: of this connection, from 1, rising
//                    ["pulse", client id]          shows that a client lives; never answered
//   server:          ["ok", number, reply] or ["no", number, code, text, outcome]
//
// What a request means is the service's affair: see protocol.ts. Words of 8 bytes travel as 64-bit
// integers, bytes as bytes. Source: FORMAT.md section 15.

import { type ErrorCode, errorCodes, PdpmError } from "@pdpm/base";
import { Packr, Unpackr } from "msgpackr";

/** Raised when a message changes its meaning. */
export const wireVersion = 1;
/** The largest message: a value of 1 MiB with its key, or a batch of moves. */
export const messageBytesMost: number = 4 * 2 ** 20;

/** Calls of one connection that wait for their answers at most, as the client counts them. */
export const callsMost = 4096;

/** What a server says of itself. */
export interface ServerHello {
  readonly protocol: number;
  readonly storeId: string;
  readonly design: "clover" | "central";
  readonly pid: number;
  /** Names of optional features; a client ignores what it does not know. */
  readonly features: readonly string[];
  /** What kind of credential the server wants: none yet. */
  readonly credential: "";
  /** URLs of the store's memory nodes, in the order of their ids. */
  readonly memoryNodes: readonly string[];
}

/** A message from a client. */
export type ClientMessage = readonly ["call", number, unknown] | readonly ["pulse", number];

/** A message from a server. */
export type ServerMessage =
  | readonly ["hello", ServerHello]
  | readonly ["ok", number, unknown]
  | readonly ["no", number, ErrorCode, string, "not-applied" | "unknown"];

const packr = new Packr({ useRecords: false, largeBigIntToFloat: false });
const unpackr = new Unpackr({ useRecords: false });

/** Why a hello is none that this client understands, or null. */
export function invalidServerHello(body: unknown): string | null {
  if (typeof body !== "object" || body === null) return "its hello is none";
  const hello = body as Readonly<Record<string, unknown>>;
  if (hello["protocol"] !== wireVersion) {
    return `it speaks protocol ${String(hello["protocol"])}, this client ${wireVersion}`;
  }
  const { storeId, design, pid, features, credential, memoryNodes } = hello;
  if (typeof storeId !== "string" || !/^[0-9a-f]{16}$/.test(storeId)) return "it names no store";
  if (design !== "clover" && design !== "central") return "it names no design with a server";
  if (!Number.isSafeInteger(pid)) return "its hello's pid is no number";
  if (!areTexts(features)) return "its hello's features are no texts";
  if (credential !== "") return "it wants a credential, and this client knows none";
  return areTexts(memoryNodes) ? null : "its hello's memory nodes are no texts";
}

function areTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

/** A message as bytes. */
export function encodeMessage(message: ClientMessage | ServerMessage): Uint8Array {
  return packr.pack(message);
}

/** The array in a message, or undefined when it is none. */
export function decodeMessage(bytes: Uint8Array): readonly unknown[] | undefined {
  try {
    const message: unknown = unpackr.unpack(bytes);
    return Array.isArray(message) && typeof message[0] === "string" ? message : undefined;
  } catch {
    return undefined; // Not msgpack: the sender is told by a close code.
  }
}

/** A failure as it travels. */
export function failureMessage(number: number, error: unknown): ServerMessage {
  if (error instanceof PdpmError) {
    return ["no", number, error.code, error.text, error.outcome];
  }
  return ["no", number, "PDPM_UNAVAILABLE", `the server failed: ${String(error)}`, "unknown"];
}

/** The failure in such a message; of a code that is unknown here, PDPM_UNAVAILABLE. */
export function failureIn(message: readonly unknown[]): PdpmError {
  const [, , code, text, outcome] = message;
  const isKnown = typeof code === "string" && Object.hasOwn(errorCodes, code);
  const known = isKnown ? (code as ErrorCode) : "PDPM_UNAVAILABLE";
  const isApplied = outcome === "not-applied" ? "not-applied" : "unknown";
  return new PdpmError(known, String(text), { outcome: isApplied });
}
