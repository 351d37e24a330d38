// The control plane of a memory node: what its calls ask and answer. Never on a data path.
// Bodies come from the other side of a socket: they are checked here, and wrong ones are refused.

import { PdpmError } from "@pdpm/base";
import { clientIdLimit } from "./limits.ts";

/** What a node says of itself. Words are hexadecimal text, for JSON has no 64-bit integers. */
export interface NodeHello {
  readonly protocol: number;
  readonly format: number;
  /** Names of optional features; a client ignores what it does not know. */
  readonly features: readonly string[];
  /** What kind of credential the node wants: none yet. */
  readonly credential: "";
  /** The store's id, 16 digits, or null while the node is blank. */
  readonly storeId: string | null;
  /** The label's other word: its fields in full. */
  readonly storeWord: string | null;
  readonly nodeId: number | null;
  readonly design: string | null;
  readonly durability: string | null;
  readonly incarnation: number;
  readonly bootId: string;
  /** Where the region is, for a client on the same host: it maps the same device and inode. */
  readonly region: NodeRegion;
  readonly sizeBytes: number;
  readonly pid: number;
}

/** A region file as its node sees it. */
export interface NodeRegion {
  readonly id: string;
  readonly path: string;
  /** Device and inode in decimal: inode numbers may exceed what a JSON number holds exactly. */
  readonly device: string;
  readonly inode: string;
}

/** Whether a mapped client lives, as its node judges by the lease file that it holds there. */
export type Judgement = { readonly alive: true; readonly pid: number } | { readonly alive: false };

/** Verbs by kind, and their payload bytes. */
export interface VerbCounts {
  readonly reads: number;
  readonly writes: number;
  readonly swaps: number;
  readonly flushes: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
}

/** A node's own count of what it did. */
export interface NodeStats {
  readonly applied: VerbCounts;
  readonly pid: number;
  /** User and system time of the node's process, in seconds. */
  readonly cpuSeconds: number;
  readonly sizeBytes: number;
  readonly connections: number;
  /** How many ids the node refuses one by one, and through which id it refuses all. */
  readonly fenced: { readonly ids: number; readonly through: number };
}

type Body = Readonly<Record<string, unknown>>;

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

/** A count in a body. @throws PDPM_INVALID_ARGUMENT */
export function countIn(body: Body, name: string): number {
  const value = body[name];
  if (isCount(value)) return value;
  throw new PdpmError("PDPM_INVALID_ARGUMENT", `${name} must be a count`);
}

/** A client id in a body. @throws PDPM_INVALID_ARGUMENT */
export function clientIdIn(body: Body): number {
  const id = countIn(body, "id");
  if (id > 0 && id < clientIdLimit) return id;
  throw new PdpmError("PDPM_INVALID_ARGUMENT", `${id} is not a client id`);
}

function isTextOrNull(value: unknown): boolean {
  return value === null || typeof value === "string";
}

/** Why a body is not a hello that this client understands, or null. */
export function invalidHello(body: Body, protocol: number): string | null {
  if (body["protocol"] !== protocol) {
    return `it speaks protocol ${String(body["protocol"])}, this client ${protocol}`;
  }
  const region = body["region"] as Body | undefined;
  if (typeof region !== "object" || region === null) return "its hello names no region";
  for (const name of ["format", "incarnation", "sizeBytes", "pid"]) {
    if (!isCount(body[name])) return `its hello's ${name} is not a count`;
  }
  for (const name of ["storeId", "storeWord", "design", "durability"]) {
    if (!isTextOrNull(body[name])) return `its hello's ${name} is not a text`;
  }
  if (body["nodeId"] !== null && !isCount(body["nodeId"])) return "its hello's nodeId is no count";
  if (typeof body["bootId"] !== "string") return "its hello names no boot";
  for (const name of ["id", "path", "device", "inode"]) {
    if (typeof region[name] !== "string") return `its hello's region has no ${name}`;
  }
  return null;
}
