// The ws transport: a memory node reached over binary WebSocket frames, client and server halves.
export { type Connected, Connector, type ConnectorOptions } from "./connector.ts";
export type {
  Judgement,
  NodeHello,
  NodeRegion,
  NodeStats,
  VerbCounts,
} from "./control.ts";
export { CloseCode, clientIdLimit, closeReason, wsLimits } from "./limits.ts";
export { MemoryServer, type MemoryServerOptions, serveMemory } from "./memory-server.ts";
export type { Connection, MemoryService } from "./service.ts";
export { SocketLine, type SocketLineOptions } from "./socket-line.ts";
export { VerbCounter } from "./verb-counter.ts";
export { type WsCounters, WsNode, type WsNodeOptions } from "./ws-node.ts";
