// The reference memory keeps the fabric contract: what every other memory must behave like.

import { PdpmError } from "@pdpm/base";
import { ArrayMemory, applyPosts, type NodeFabric, type Round } from "@pdpm/verbs";
import { fabricContract } from "@pdpm/verbs/contract";

const end = 4 * 2 ** 20;
const endMost = end + 2 ** 20;

/** A node fabric over memory of this process. */
function arrayNode(memory: ArrayMemory): NodeFabric {
  let closed = false;
  const refusal = (): PdpmError => new PdpmError("PDPM_CLOSED", "the fabric was closed");
  return {
    post: (round: Round) => (closed ? round.map(refusal) : applyPosts(memory, round)),
    extend: async (sizeBytes) => {
      if (closed) throw refusal();
      await memory.extend(sizeBytes);
    },
    close: async () => {
      closed = true;
    },
  };
}

fabricContract("array memory", async () => {
  const memory = new ArrayMemory(endMost, end);
  return {
    fabric: arrayNode(memory),
    first: 0,
    end,
    endMost,
    another: async () => arrayNode(memory),
    dispose: async () => undefined,
  };
});
