// The control plane of the memory nodes, as protocols reach it: a call to the server "memory-node
// N".

/** The server name of memory node `node`. */
export function nodeServer(node: number): string {
  return `memory-node ${node}`;
}

/** What protocols ask of it: the region reaches at least `extend` bytes afterwards. */
export interface ExtendRequest {
  readonly extend: number;
}
