// A lease record of pDPM-Direct: one open client, 64 bytes in the root chunk.
//
//    0   state word: owner = client id; free: unused, live: open, dead: being taken back
//    8   heartbeat: number word, raised by ws clients; who sees it unchanged for the lease time may
//        have the client fenced
//   16   acknowledged table generation: number word; the client has no business left with chunks
//        that were retired before it (H17)
//   24   holder: number word, pid * 8 + kind (1: holds a lease file at a node, 2: ws only)
//   32   32 reserved bytes, zero

import { numberOf, numberWord, wordAt } from "./checked-word.ts";
import { CellState, decodeState, stateWord } from "./state-word.ts";

/** Byte offsets in a lease record. */
export const leaseFields = { identity: 0, heartbeat: 8, acknowledged: 16, holder: 24 } as const;

/** How a client shows that it lives. The numbers stand in memory. */
export const LeaseKind = { file: 1, heartbeat: 2 } as const;
/** One of them. */
export type LeaseKind = (typeof LeaseKind)[keyof typeof LeaseKind];

/** A decoded record that is not free. */
export interface LeaseRecord {
  readonly clientId: number;
  readonly state: "live" | "dead";
  readonly heartbeat: number;
  readonly acknowledged: number;
  readonly pid: number;
  readonly kind: LeaseKind;
}

/** The identity word of a client's record. */
export function leaseIdentity(clientId: number, state: "live" | "dead"): bigint {
  return stateWord(state === "live" ? CellState.live : CellState.dead, 0, clientId);
}

/** Bytes 8 to 32 of a fresh record. */
export function encodeLease(acknowledged: number, pid: number, kind: LeaseKind): Uint8Array {
  const words = new BigUint64Array([0n, numberWord(acknowledged), numberWord(pid * 8 + kind)]);
  return new Uint8Array(words.buffer);
}

/** Decodes; null when free, undefined if damaged. */
export function decodeLease(bytes: Uint8Array): LeaseRecord | null | undefined {
  const identity = decodeState(wordAt(bytes, leaseFields.identity));
  if (identity === undefined) return undefined;
  if (identity.state === CellState.free) return null;
  const heartbeat = numberOf(wordAt(bytes, leaseFields.heartbeat));
  const acknowledged = numberOf(wordAt(bytes, leaseFields.acknowledged));
  const holder = numberOf(wordAt(bytes, leaseFields.holder));
  if (heartbeat === undefined || acknowledged === undefined || holder === undefined) {
    return undefined;
  }
  return {
    clientId: identity.owner,
    state: identity.state === CellState.live ? "live" : "dead",
    heartbeat,
    acknowledged,
    pid: Math.floor(holder / 8),
    kind: (holder % 8) as LeaseKind,
  };
}
