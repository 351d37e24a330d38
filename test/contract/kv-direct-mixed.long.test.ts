// Direct keeps the store contract over two memory nodes whose files its clients map, and with one
// client over ws and the next one mapping them.

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

kvContract("direct on two memory nodes, mapped", async () => {
  const { url, teardown } = await directNodes();
  return { open: () => connect(url, { transport: "mapped", chunkBytes: 2 ** 22 }), teardown };
});
