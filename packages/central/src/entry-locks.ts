// The local reader/writer lock of each entry (paper section 3.2): many readers share it, a writer
// has it alone. Readers hold it from their look at the mapping to the end of their READ, so a cell
// that a writer replaces is free only after the last reader has left it, and freed cells are never
// read.
//
// - First come, first served: a reader that comes behind a waiting writer waits, too.
// - A lock that nobody holds and nobody waits for takes no memory. Per entry, waiters are bounded.
// - All of it lives in the coordinator: when it dies, nobody holds anything.

import { assert, PdpmError } from "@pdpm/base";
import { type Key, keyText, Patience, type Waiting } from "@pdpm/kv";
import type { Protocol } from "@pdpm/verbs";

/** Who locks: an operation of a session that counts its waits. */
interface Locker extends Waiting {
  readonly session: Waiting["session"] & { readonly events: { lockWaits: number } };
}

/** Readers and writers that may wait for one entry. */
export const waitersMost = 65_536;

interface Waiter {
  readonly writes: boolean;
  isGranted: boolean;
}

interface Entry {
  readers: number;
  hasWriter: boolean;
  readonly queue: Waiter[];
}

/** The locks of one session. */
export class EntryLocks {
  readonly #entries = new Map<Key, Entry>();

  /** Entries that are held or waited for. */
  get size(): number {
    return this.#entries.size;
  }

  /** Takes the lock for reading if nobody has to be waited for. */
  tryRead(key: Key): boolean {
    const entry = this.#entries.get(key);
    if (entry === undefined) {
      this.#entries.set(key, { readers: 1, hasWriter: false, queue: [] });
      return true;
    }
    if (entry.hasWriter || entry.queue.length > 0) return false;
    entry.readers += 1;
    return true;
  }

  /** Takes the lock for reading. @throws PDPM_BUSY when too many wait */
  *read(context: Locker, key: Key): Protocol<void> {
    if (!this.tryRead(key)) yield* this.#wait(context, key, false);
  }

  /** Takes the lock for writing. @throws PDPM_BUSY when too many wait */
  *write(context: Locker, key: Key): Protocol<void> {
    if (this.#entries.has(key)) yield* this.#wait(context, key, true);
    else this.#entries.set(key, { readers: 0, hasWriter: true, queue: [] });
  }

  endRead(key: Key): void {
    const entry = this.#held(key);
    assert(entry.readers > 0, "a reader that leaves has come");
    entry.readers -= 1;
    this.#grant(key, entry);
  }

  endWrite(key: Key): void {
    const entry = this.#held(key);
    assert(entry.hasWriter, "a writer that leaves has come");
    entry.hasWriter = false;
    this.#grant(key, entry);
  }

  #held(key: Key): Entry {
    const entry = this.#entries.get(key);
    assert(entry !== undefined, "a lock that is given back is held");
    return entry;
  }

  /** In line, until it is this one's turn; whoever is told to stop leaves the line. */
  *#wait(context: Locker, key: Key, writes: boolean): Protocol<void> {
    const entry = this.#held(key);
    if (entry.queue.length >= waitersMost) {
      throw new PdpmError("PDPM_BUSY", `${waitersMost} operations wait for ${keyText(key)}`);
    }
    const waiter: Waiter = { writes, isGranted: false };
    entry.queue.push(waiter);
    context.session.events.lockWaits += 1;
    const patience = new Patience(context);
    try {
      while (!waiter.isGranted) yield* patience.wait(`others work on ${keyText(key)}`);
    } catch (error) {
      this.#leave(key, entry, waiter);
      throw error;
    }
  }

  #leave(key: Key, entry: Entry, waiter: Waiter): void {
    if (waiter.isGranted) {
      if (waiter.writes) this.endWrite(key);
      else this.endRead(key);
      return;
    }
    entry.queue.splice(entry.queue.indexOf(waiter), 1);
    this.#grant(key, entry);
  }

  /** Lets in whoever is next: one writer, or readers up to the next writer. */
  #grant(key: Key, entry: Entry): void {
    while (entry.queue.length > 0 && !entry.hasWriter) {
      const next = entry.queue[0] as Waiter;
      if (next.writes && entry.readers > 0) return;
      entry.queue.shift();
      next.isGranted = true;
      if (next.writes) entry.hasWriter = true;
      else entry.readers += 1;
    }
    const isIdle = entry.readers === 0 && !entry.hasWriter && entry.queue.length === 0;
    if (isIdle) this.#entries.delete(key);
  }
}
