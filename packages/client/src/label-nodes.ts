// Which store stands on these memory nodes. A blank cluster is claimed by CAS on node 0's label,
// then the others; whoever comes second, or after a crash in the middle, finds the first one's
// words and completes them. So every client runs the same steps, and only one store can come of it.

import { isPdpmError, PdpmError, type Prng } from "@pdpm/base";
import { wordAt } from "@pdpm/layout";
import {
  decodeStoreWord,
  encodeStoreWord,
  headerWordOffset,
  invalidStoreWord,
  labelChecksum,
  regionHeaderBytes,
  type StoreLabel,
} from "@pdpm/layout/region-header";
import {
  type CounterTable,
  compareAndSwap,
  flush,
  type NodeFabric,
  type Post,
  read,
} from "@pdpm/verbs";

/** A label as it stands on a node. */
export interface FoundLabel {
  readonly storeId: bigint;
  readonly label: StoreLabel;
}

/** Posts to fixed places of one node's region, outside of any chunk, and counts them. */
async function postAt(
  counters: CounterTable,
  node: NodeFabric,
  posts: readonly Post[],
): Promise<unknown[]> {
  for (const post of posts) post.offset = post.address;
  counters.kind("open").count(posts);
  const replies = await node.post(posts);
  for (const reply of replies) if (isPdpmError(reply)) throw reply;
  return [...replies];
}

/**
 * Claims one node for a store, or reads whose it is.
 * @param wanted - What a blank node becomes.
 */
export async function labelNode(
  counters: CounterTable,
  node: NodeFabric,
  wanted: { readonly storeId: bigint; readonly label: StoreLabel } | undefined,
): Promise<FoundLabel | undefined> {
  const at = headerWordOffset;
  const [bytes] = (await postAt(counters, node, [read(at.storeId, 24)])) as [Uint8Array];
  let storeId = wordAt(bytes, 0);
  let storeWord = wordAt(bytes, 8);
  const checksum = wordAt(bytes, 16);
  if (checksum === 0n) {
    if (wanted === undefined) return undefined;
    if (wanted.label.nodeId === 0) {
      // The root chunk must be there before anybody believes the label.
      await node.extend(regionHeaderBytes + wanted.label.chunkBytes);
    }
    storeId = await claim(counters, node, at.storeId, wanted.storeId);
    if (storeId === wanted.storeId || wanted.label.nodeId === 0) {
      storeWord = await claim(counters, node, at.storeWord, encodeStoreWord(wanted.label));
      const sum = labelChecksum(storeId, storeWord);
      await claim(counters, node, at.labelChecksum, sum);
      await postAt(counters, node, [flush(at.storeId, 24)]);
    }
  } else if (checksum !== labelChecksum(storeId, storeWord)) {
    throw new PdpmError("PDPM_CORRUPT", "a memory node's label does not match its checksum");
  }
  const reason = invalidStoreWord(storeWord);
  if (reason !== null) throw new PdpmError("PDPM_CORRUPT", `a memory node's label: ${reason}`);
  return { storeId, label: decodeStoreWord(storeWord) };
}

/** The word at `offset`, which is `word` if it was 0. */
async function claim(
  counters: CounterTable,
  node: NodeFabric,
  offset: number,
  word: bigint,
): Promise<bigint> {
  const [found] = (await postAt(counters, node, [compareAndSwap(offset, 0n, word)])) as [bigint];
  return found === 0n ? word : found;
}

/** A store id that no one chose; never 0. */
export function newStoreId(prng: Prng): bigint {
  return prng.word() || 1n;
}
