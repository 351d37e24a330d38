// The cursors of one client, in a Map: what the typed-array cache has to agree with.

import type { Key } from "@pdpm/kv";
import { type Address, addressIn, type Pointer } from "@pdpm/layout";

interface Entry {
  key: Key;
  pointer: Pointer;
  commitNumber: number;
  readBytes: number;
  stale: boolean;
}
export class CursorCache {
  readonly #map = new Map<Key, number>();
  readonly #entries: Entry[] = [];
  constructor(_capacity: number, _options?: { eviction?: "fifo" | "lru" }) {
    this.clear();
  }
  find(key: Key): number {
    return this.#map.get(key) ?? -1;
  }
  set(key: Key, pointer: Pointer, commitNumber: number, readBytes: number): number {
    const at = this.#map.get(key) ?? this.#entries.length;
    this.#entries[at] = { key, pointer, commitNumber, readBytes, stale: false };
    this.#map.set(key, at);
    return at;
  }
  delete(key: Key): void {
    this.#map.delete(key);
  }
  clear(): void {
    this.#map.clear();
  }
  get size(): number {
    return this.#map.size;
  }
  address(entry: number): Address {
    return addressIn((this.#entries[entry] as Entry).pointer);
  }
  pointer(entry: number): Pointer {
    return (this.#entries[entry] as Entry).pointer;
  }
  commitNumber(entry: number): number {
    return (this.#entries[entry] as Entry).commitNumber;
  }
  readBytes(entry: number): number {
    return (this.#entries[entry] as Entry).readBytes;
  }
  isStaleLately(entry: number): boolean {
    return (this.#entries[entry] as Entry).stale;
  }
  markStale(entry: number, stale: boolean): void {
    (this.#entries[entry] as Entry).stale = stale;
  }
}
