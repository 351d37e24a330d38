// Direct keeps the store contract over two memory nodes, with clients over ws. (Mapped, and
// in turn: kv-direct-mixed.long.test.ts.)

import { kvContract } from "@pdpm/kv/contract";
import { connect } from "pdpm";
import { directNodes } from "../support/direct-nodes.ts";

kvContract("direct on two memory nodes, over ws", async () => {
  const { url, teardown } = await directNodes();
  return { open: () => connect(url, { transport: "ws", chunkBytes: 2 ** 22 }), teardown };
});
