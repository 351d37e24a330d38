// A memory node: owns a region of persistent memory, serves it over ws, admits and fences clients.
export { fencedFileName } from "./fenced-ids.ts";
export { MemoryNode, type MemoryNodeOptions } from "./memory-node.ts";
export { useLockName } from "./region-start.ts";
