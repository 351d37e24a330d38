// The mapped fabric: memory-node files mapped by every process on the host, their locks and leases.
export {
  FileLock,
  holdersOf,
  type LockMode,
  nodeLockName,
  processText,
} from "./file-lock.ts";
export type { Medium } from "./flusher.ts";
export type { HeaderWords } from "./header-words.ts";
export { type Grave, type Judgement, type Lease, LeaseFiles } from "./lease-files.ts";
export { type CallFailure, type Libc, systemLibc } from "./libc.ts";
export { isInMemory, refuseRemote } from "./local-file-system.ts";
export { type AppliedVerbs, MappedFabric } from "./mapped-fabric.ts";
export { type FileIdentity, MappedRegion, type MappedRegionOptions } from "./mapped-region.ts";
export {
  bootId,
  bootWord,
  endProcess,
  isRunning,
  type ProcessFacts,
  pidNamespace,
  thisProcess,
} from "./processes.ts";
export { createRegionFile, type RegionFileOptions, regionFileName } from "./region-file.ts";
export { Turnstile, type TurnstileOptions } from "./turnstile.ts";
