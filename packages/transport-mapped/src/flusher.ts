// What makes ranges of a region durable, and where a region's bytes can lie:
// - "memory" (tmpfs, ramfs): nothing survives the machine, so there is nothing to do;
// - "file": msync, one call per group of concurrent flushes (sync-flusher.ts);
// - "persistent" (a DAX file and libpmem): cache-line write-back, no system call.

/** Where a region's bytes lie, see above. */
export type Medium = "memory" | "file" | "persistent";

/** Makes ranges of one region durable. Ranges were checked by the caller. */
export interface Flusher {
  readonly medium: Medium;
  /** Undefined when it is done already. Rejects with PDPM_POISONED when it failed. */
  flush(offset: number, bytes: number): undefined | Promise<void>;
  /** Resolves when no flush is in flight; never rejects. */
  settled(): Promise<void>;
}
