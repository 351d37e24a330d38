// The options of open() and connect(): what may be given, checked before anything is touched. The
// command line has the same names.

import { PdpmError } from "@pdpm/base";
import { type Check, type Checks, type Codec, checkMilliseconds, checkOptions } from "@pdpm/kv";
import { bytesCodec, type CodecName, checkCodec, codecOf } from "./codecs.ts";

/** The designs that a store can have. */
export const designs = ["direct", "central", "clover"] as const;
/** One of the designs. */
export type Design = (typeof designs)[number];
/** What an acknowledged write survives: the machine's death, or the death of any process. */
export type Durability = "power" | "process";
/** How memory is reached: mapped where it is on this host, else over ws; or one of the two. */
export type Transport = "auto" | "mapped" | "ws";

/** Which key a client forgets for another: the one learned first, or the one not used longest. */
export type Eviction = "fifo" | "lru";

/** Options of open() and connect(). */
export interface ClientOptions<V = Uint8Array> {
  /** The design of a new store; of one that exists, what it must be. */
  readonly design?: Design | undefined;
  /** Of a new store. */
  readonly durability?: Durability | undefined;
  /** Bytes that a new store may take at most, on all memory nodes together. */
  readonly maxBytes?: number | undefined;
  /** Bytes of a chunk of a new store: a power of two from 4 MiB to 64 MiB. */
  readonly chunkBytes?: number | undefined;
  /** Deadline of operations that name none, in milliseconds. @defaultValue 5000 */
  readonly timeoutMs?: number | undefined;
  /** How memory is reached; a directory is always mapped. @defaultValue "auto" */
  readonly transport?: Transport | undefined;
  /** What values are. @defaultValue "bytes" */
  readonly codec?: CodecName | Codec<V> | undefined;
  /**
   * Keys whose place this client remembers at most; refused for Central, whose clients remember
   * none. @defaultValue 1048576
   */
  readonly cursors?: number | undefined;
  /** Which key is forgotten when there are more; Clover only. @defaultValue "fifo" */
  readonly eviction?: Eviction | undefined;
}

/** Options after the checks. What a store decides upon stays undefined if it was not given. */
export interface CheckedOptions<V> {
  readonly design: Design | undefined;
  readonly durability: Durability | undefined;
  readonly maxBytes: number | undefined;
  readonly chunkBytes: number | undefined;
  readonly timeoutMs: number;
  readonly transport: Transport;
  readonly codec: Codec<V>;
  readonly cursors: number | undefined;
  readonly eviction: Eviction | undefined;
}

/** Of a client that was not told another number. */
export const cursorsDefault: number = 2 ** 20;

const MIB = 2 ** 20;
const chunkBytesLeast = 4 * MIB;
const chunkBytesMost = 64 * MIB;
const timeoutMsDefault = 5000;

function oneOf(...values: readonly string[]): Check {
  const reason = `must be one of ${values.join(", ")}`;
  return (value) => (values.includes(value as string) ? null : reason);
}

function wholeFrom(least: number): Check {
  return (value) =>
    Number.isSafeInteger(value) && (value as number) >= least
      ? null
      : `must be a whole number, ${least} or more`;
}

const checkChunkBytes: Check = (value) => {
  const isPowerOfTwo = Number.isSafeInteger(value) && Number.isInteger(Math.log2(value as number));
  const isInRange = (value as number) >= chunkBytesLeast && (value as number) <= chunkBytesMost;
  if (isPowerOfTwo && isInRange) return null;
  return `must be a power of two from ${chunkBytesLeast} (4 MiB) to ${chunkBytesMost} (64 MiB)`;
};

const checks: Checks = {
  design: oneOf(...designs),
  durability: oneOf("power", "process"),
  maxBytes: wholeFrom(chunkBytesLeast),
  chunkBytes: checkChunkBytes,
  timeoutMs: checkMilliseconds,
  transport: oneOf("auto", "mapped", "ws"),
  codec: checkCodec,
  cursors: wholeFrom(1),
  eviction: oneOf("fifo", "lru"),
};

/**
 * Checks the options of `of` and fills in what was not given.
 * @throws PDPM_INVALID_ARGUMENT naming the option.
 */
export function clientOptions<V>(
  options: ClientOptions<V>,
  of: "open" | "connect",
): CheckedOptions<V> {
  checkOptions(options, checks, of);
  const { design, durability, maxBytes, chunkBytes, transport = "auto" } = options;
  if (maxBytes !== undefined && chunkBytes !== undefined && maxBytes < chunkBytes) {
    throw invalid(`${of}: maxBytes ${maxBytes} does not hold one chunk of ${chunkBytes}`);
  }
  if (of === "open" && transport === "ws") {
    throw invalid(`open: a directory is always mapped; connect to a memory node's URL for "ws"`);
  }
  return {
    design,
    durability,
    maxBytes,
    chunkBytes,
    timeoutMs: options.timeoutMs ?? timeoutMsDefault,
    transport,
    codec: codecOf(options.codec ?? (bytesCodec as unknown as Codec<V>)),
    cursors: options.cursors,
    eviction: options.eviction,
  };
}

function invalid(text: string): PdpmError {
  return new PdpmError("PDPM_INVALID_ARGUMENT", text);
}
