// Direct keeps the store contract over two memory nodes with one client over ws and the next one
// mapping the nodes' files.

import { kvContract } from "@pdpm/kv/contract";
import { connect } from "pdpm";
import { directNodes } from "../support/direct-nodes.ts";

kvContract("direct on two memory nodes, over ws and mapped in turn", async () => {
  const { url, teardown } = await directNodes();
  let opened = 0;
  return {
    open: () => {
      opened += 1;
      const transport = opened % 2 === 1 ? "ws" : "mapped";
      return connect(url, { transport, chunkBytes: 2 ** 22 });
    },
    teardown,
  };
});
