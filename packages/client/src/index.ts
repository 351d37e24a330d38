/**
 * pdpm: a key-value store on passive memory. `open` shares a directory between the processes of one
 * host at memory speed; `connect` reaches memory nodes over the network.
 */
export { isPdpmError, PdpmError } from "@pdpm/base";
export type { Backend, BackendCounters, BackendStats, Codec, Entry, Store } from "@pdpm/kv";
export { type CodecName, codecs, jsonCodec, msgpackCodec, type NamedValues } from "./codecs.ts";
export { connect } from "./connect.ts";
export { type Evicted, evict } from "./evict.ts";
export { type FsckOptions, type FsckReport, fsck } from "./fsck.ts";
export { open } from "./open.ts";
export type { ClientOptions, Design, Durability, Eviction, Transport } from "./options.ts";
export { typedArray } from "./typed-array-codec.ts";
