// Clover: clients on the data path, metadata on a metadata server, versions in chains.
export { ask, change } from "./calls.ts";
export { CloverBackend } from "./clover-backend.ts";
export { collectAll, collectPage } from "./collect.ts";
export { settleDoubts } from "./doubts.ts";
export { forgetChain } from "./forget.ts";
export { giveEverythingBack, handBack } from "./hand-back.ts";
export { scanPage } from "./key-scan.ts";
export { pulse, work } from "./pulse.ts";
export { readKey } from "./read-path.ts";
export { reapClient } from "./reap.ts";
export { refill } from "./refill.ts";
export { retireAll, retireSome } from "./retire.ts";
export { type CloverEvents, type Context, Session, type SessionOptions } from "./session.ts";
export { writeKey } from "./write-path.ts";
