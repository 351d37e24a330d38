// What clients ask of a store one after the other, and what they are told: a history, for which it
// is checked that it can be true. One that dies leaves its operation unknown.

import { hold, isPdpmError } from "@pdpm/base";
import { type Backend, type Found, type Key, toKey } from "@pdpm/kv";
import { History, identityOf, valueBytesOf } from "./history.ts";

/** See above. */
export class Telling {
  readonly history: History;
  #now: number;
  #sequence: number;

  constructor(from?: Telling) {
    this.history = from?.history.fork() ?? new History();
    this.#now = from === undefined ? 0 : from.#now + 1;
    this.#sequence = from === undefined ? 0 : from.#sequence;
  }

  async get(client: number, backend: Backend, name: string): Promise<Found | undefined> {
    const start = this.#tick();
    const found = await backend.get(toKey(name), {});
    this.sees(name, found, client, start);
    return found;
  }

  /** Somebody finds this under a key. */
  sees(name: string, found: Found | undefined, client = 1000, start: number = this.#tick()): void {
    const entry = this.history.begin(client, "get", toKey(name), start);
    entry.value = found === undefined ? null : identityOf(found.value);
    entry.version = found?.version ?? null;
    entry.outcome = "ok";
    entry.end = this.#tick();
  }

  /** `bytes` undefined: a delete. Returns what it is told; a conflict is one such thing. */
  async write(
    client: number,
    backend: Backend,
    name: string,
    bytes: number | undefined,
    ifVersion?: number,
  ): Promise<void> {
    this.#sequence += 1;
    const identity = bytes === undefined ? null : `${client}:${this.#sequence}`;
    const op = bytes === undefined ? "delete" : ifVersion === undefined ? "put" : "cas";
    const key: Key = toKey(name);
    const entry = this.history.begin(client, op, key, this.#tick(), ifVersion ?? null, identity);
    try {
      const version =
        identity === null || bytes === undefined
          ? await backend.delete(key, ifVersion, {})
          : await backend.put(key, valueBytesOf(identity, bytes), ifVersion, {});
      entry.version = version ?? null;
      entry.outcome = "ok";
    } catch (error) {
      if (!isPdpmError(error) || error.code !== "PDPM_CONFLICT") throw error;
      entry.version = Number(/its version is (\d+)/.exec(error.message)?.[1] ?? 0);
      entry.outcome = "conflict";
    }
    entry.end = this.#tick();
  }

  /** @throws when what was told cannot be true */
  check(): void {
    hold(this.history.breaches());
  }

  #tick(): number {
    this.#now += 1;
    return this.#now;
  }
}
