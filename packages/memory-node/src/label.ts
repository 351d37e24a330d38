// What a node's header says of the store that it belongs to, for the hello. A memory node does not
// interpret it: it says which store, which design and which node this is, and it looks at the
// durability when it starts after a crash of the machine.

import { checksum64 } from "@pdpm/layout/checksum";
import type { HeaderWords } from "@pdpm/transport-mapped";

/** A finished label. Words are 16 hexadecimal digits. */
export interface NodeLabel {
  readonly storeId: string;
  readonly storeWord: string;
  readonly nodeId: number;
  readonly design: string;
  readonly durability: string;
}

const designs = ["", "direct", "central", "clover"];
const durabilities = ["", "power", "process"];

/** The label, or null while the node is blank or somebody is still claiming it. */
export function labelOf(header: HeaderWords): NodeLabel | null {
  const storeId = header.load("storeId");
  const storeWord = header.load("storeWord");
  if (storeId === 0n || header.load("labelChecksum") !== checksumOf(storeId, storeWord))
    return null;
  return {
    storeId: hex(storeId),
    storeWord: hex(storeWord),
    nodeId: Number((storeWord >> 6n) & 0xffn),
    design: designs[Number(storeWord & 0xfn)] ?? "",
    durability: durabilities[Number((storeWord >> 4n) & 0x3n)] ?? "",
  };
}

function checksumOf(storeId: bigint, storeWord: bigint): bigint {
  const view = new DataView(new ArrayBuffer(16));
  view.setBigUint64(0, storeId, true);
  view.setBigUint64(8, storeWord, true);
  const checksum = checksum64(new Uint8Array(view.buffer));
  return checksum === 0n ? 1n : checksum;
}

function hex(word: bigint): string {
  return word.toString(16).padStart(16, "0");
}
