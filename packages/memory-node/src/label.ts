// What a node's header says of the store that it belongs to, for the hello. A memory node does not
// act on it, but for one thing: durability "process" believes nothing across a crash of the
// machine.

import { decodeStoreWord, invalidLabel, type StoreLabel } from "@pdpm/layout/region-header";
import type { HeaderWords } from "@pdpm/transport-mapped";

/** A finished label, with its two words as 16 hexadecimal digits. */
export interface NodeLabel extends StoreLabel {
  readonly storeId: string;
  readonly storeWord: string;
}

/** The label, or null while the node is blank or somebody is still claiming it. */
export function labelOf(header: HeaderWords): NodeLabel | null {
  const storeId = header.load("storeId");
  const storeWord = header.load("storeWord");
  if (invalidLabel(storeId, storeWord, header.load("labelChecksum")) !== null) return null;
  return { ...decodeStoreWord(storeWord), storeId: hex(storeId), storeWord: hex(storeWord) };
}

function hex(word: bigint): string {
  return word.toString(16).padStart(16, "0");
}
