// The store as programs see it: keys and values of the caller's type over any backend.
//
// What a method promises does not depend on the design: everything beyond five operations on one
// key is built here, once. Every failure is a rejection, also that of an argument.
//
// Trick: get, getEntry and put are no async functions. Over mapped memory the backend answers at
// once, and then an operation costs its promise and nothing else.

import { type Clock, Prng, systemClock } from "@pdpm/base";
import type { Limits } from "@pdpm/verbs";
import { copyInto, type KeyInput, keyAt, keysOf, listOf, viewOf } from "./arguments.ts";
import type { Backend, BackendCounters, BackendStats, Found, Supports } from "./backend.ts";
import { ClosableBackend } from "./closable-backend.ts";
import type { Codec } from "./codec.ts";
import { Deadline } from "./deadline.ts";
import { fromKey, pagesOf, prefixTest } from "./iterate.ts";
import { type Key, keyText, toKey } from "./key.ts";
import { ManyKeys } from "./many-keys.ts";
import { finite, sumOf } from "./number-form.ts";
import {
  type Checks,
  type CloseOptions,
  checkOptions,
  closeChecks,
  describe,
  type IterateOptions,
  invalid,
  iterateChecks,
  type OperationOptions,
  operationChecks,
  type WriteOptions,
  writeChecks,
} from "./options.ts";
import { Updates } from "./updates.ts";
import { ValueCodec } from "./value-codec.ts";

/** A value and its version: a number that per key only grows, also across delete and re-create. */
export interface Entry<V> {
  readonly value: V;
  readonly version: number;
}

/** What a put returns. */
export interface Written {
  readonly version: number;
}

/** What a store is given beside its backend and codec. */
export interface StoreOptions {
  /** Deadline of operations that name none, in milliseconds. @defaultValue 5000 */
  readonly timeoutMs?: number;
  /** @defaultValue the host's */
  readonly clock?: Clock;
  /** For back-off. @defaultValue seeded by chance */
  readonly prng?: Prng;
}

/** Entries fetched at most ahead of the consumer of `entries`. */
const entriesAhead = 64;

/** One client of a store. `V` is what its codec makes of a value. */
export class Store<V = Uint8Array> implements AsyncDisposable {
  readonly #backend: ClosableBackend;
  readonly #codec: Codec<V>;
  readonly #values: ValueCodec<V>;
  readonly #clock: Clock;
  readonly #updates: Updates;
  readonly #many: ManyKeys;
  readonly #limits: Limits;
  readonly #timeoutMs: number;

  constructor(backend: Backend, codec: Codec<V>, options: StoreOptions = {}) {
    this.#backend = new ClosableBackend(backend);
    this.#codec = codec;
    this.#values = new ValueCodec(codec);
    this.#clock = options.clock ?? systemClock;
    this.#timeoutMs = options.timeoutMs ?? 5000;
    this.#limits = { timeoutMs: this.#timeoutMs, signal: undefined };
    this.#many = new ManyKeys(this.#backend, this.#clock);
    const prng = options.prng ?? Prng.random();
    this.#updates = new Updates(this.#backend, this.#clock, prng);
  }

  /** "direct", "central" or "clover". */
  get design(): string {
    return this.#backend.design;
  }

  /** What this design can and cannot do. */
  get supports(): Supports {
    return this.#backend.supports;
  }

  /** Whether `close` was called. */
  get closed(): boolean {
    return this.#backend.closed;
  }

  /** The value of `key`, or undefined if there is none. Warm: 1 round trip. */
  get(key: KeyInput, options?: OperationOptions): Promise<V | undefined> {
    try {
      const checked = toKey(key);
      const found = this.#backend.get(checked, this.#limitsOf("get", options));
      if (found instanceof Promise) return found.then((late) => this.#valueOf(checked, late));
      return Promise.resolve(this.#valueOf(checked, found));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** The value of `key` and its version, or undefined if there is none. */
  getEntry(key: KeyInput, options?: OperationOptions): Promise<Entry<V> | undefined> {
    try {
      const checked = toKey(key);
      const found = this.#backend.get(checked, this.#limitsOf("getEntry", options));
      if (found instanceof Promise) return found.then((late) => this.#entryOf(checked, late));
      return Promise.resolve(this.#entryOf(checked, found));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Whether `key` exists. */
  async has(key: KeyInput, options?: OperationOptions): Promise<boolean> {
    const limits = this.#limitsOf("has", options);
    return (await this.#backend.get(toKey(key), limits)) !== undefined;
  }

  /**
   * Writes `value` under `key`, durable as the store is when it resolves.
   * @throws PDPM_CONFLICT if `ifVersion` is not the key's version now (0: it must not exist);
   *   PDPM_INVALID_ARGUMENT if the value takes more than 1,048,576 bytes; PDPM_NO_SPACE.
   */
  put(key: KeyInput, value: V, options?: WriteOptions): Promise<Written> {
    try {
      const limits = this.#limitsOf("put", options, writeChecks);
      const bytes = this.#values.encode(value);
      const version = this.#backend.put(toKey(key), bytes, options?.ifVersion, limits);
      if (version instanceof Promise) return version.then(written);
      return Promise.resolve({ version });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Deletes `key`. Resolves to whether there was anything to delete.
   * @throws PDPM_CONFLICT if `ifVersion` is not the key's version now.
   */
  async delete(key: KeyInput, options?: WriteOptions): Promise<boolean> {
    const limits = this.#limitsOf("delete", options, writeChecks);
    return (await this.#backend.delete(toKey(key), options?.ifVersion, limits)) !== undefined;
  }

  /**
   * Replaces the value of `key` by what `change` makes of it, as one step: no write of anybody
   * comes in between. `change` is synchronous, may be called several times, and gets undefined for
   * a missing key; if it returns undefined the key stays as it is.
   * @returns the key's entry afterwards; undefined if there is none.
   * @throws PDPM_CONFLICT, PDPM_BUSY if other clients won every time; what `change` throws.
   */
  async update(
    key: KeyInput,
    change: (value: V | undefined) => V | undefined,
    options?: OperationOptions,
  ): Promise<Entry<V> | undefined> {
    const deadline = this.#deadline("update", options);
    const checked = toKey(key);
    if (typeof change !== "function")
      throw invalid(`update needs a function, not ${describe(change)}`);
    let value: V | undefined;
    const { found, version } = await this.#updates.run(checked, deadline, (present) => {
      value = this.#valueOf(checked, present);
      const next = change(value);
      if (next === undefined) return undefined;
      if (next instanceof Promise) throw invalid("update needs a function that is not async");
      value = next;
      return this.#values.encode(next);
    });
    const now = version ?? found?.version;
    return now === undefined ? undefined : { value: value as V, version: now };
  }

  /**
   * Adds `by` to the number under `key`, a missing one counting as 0, and resolves to the sum. With
   * the bytes and utf8 codecs the number stands in the value as decimal text.
   * @throws PDPM_INVALID_ARGUMENT if the value is no number, or the sum cannot be kept exactly.
   */
  async increment(key: KeyInput, by = 1, options?: OperationOptions): Promise<number> {
    const deadline = this.#deadline("increment", options);
    const checked = toKey(key);
    const form = this.#codec.numbers;
    if (form === undefined)
      throw invalid(`codec ${this.#codec.name} keeps no numbers to increment`);
    if (finite(by) === undefined) throw invalid(`increment needs a number, not ${describe(by)}`);
    let sum = 0;
    await this.#updates.run(checked, deadline, (found) => {
      const value = this.#valueOf(checked, found);
      const number = value === undefined ? 0 : form.toNumber(value);
      if (number === undefined) throw invalid(`the value of ${keyText(checked)} is no number`);
      sum = sumOf(number, by);
      return this.#values.encode(form.toValue(sum));
    });
    return sum;
  }

  /** The values of `keys` in their order, undefined for each that does not exist. */
  async getMany(keys: Iterable<KeyInput>, options?: OperationOptions): Promise<(V | undefined)[]> {
    const deadline = this.#deadline("getMany", options);
    const checked = keysOf(keys, "getMany");
    const found = await this.#many.read("getMany", checked, deadline);
    return found.map((each, index) => this.#valueOf(checked[index] as Key, each));
  }

  /**
   * Writes many values side by side. Not atomic as a whole: each entry is a put of its own, and of
   * a key that comes twice the later value stays. Nothing is written if an argument is not allowed.
   * @returns the versions in the order of the entries.
   * @throws the first failure, once all that was started has ended. The message says how many were
   *   applied, the outcome is "unknown" if any may have been, `cause.errors` has every failure.
   */
  async putMany(
    entries: Iterable<readonly [KeyInput, V]>,
    options?: OperationOptions,
  ): Promise<Written[]> {
    const deadline = this.#deadline("putMany", options);
    const encoded = listOf(entries, "putMany").map((entry, index) => {
      if (!Array.isArray(entry)) throw invalid(`putMany, item ${index}: needs to be [key, value]`);
      return { key: keyAt(entry[0], index, "putMany"), bytes: this.#values.encode(entry[1]) };
    });
    return (await this.#many.put("putMany", encoded, deadline)).map(written);
  }

  /**
   * Deletes many keys side by side; resolves to whether each of them existed.
   * @throws as putMany does.
   */
  async deleteMany(keys: Iterable<KeyInput>, options?: OperationOptions): Promise<boolean[]> {
    const deadline = this.#deadline("deleteMany", options);
    const checked = keysOf(keys, "deleteMany");
    const deleted = await this.#many.delete("deleteMany", checked, deadline);
    return deleted.map((version) => version !== undefined);
  }

  /**
   * Copies the encoded value of `key` to the beginning of `buffer`; its codec has no part in it.
   * @returns the bytes written, or undefined if the key does not exist.
   * @throws PDPM_INVALID_ARGUMENT if `buffer` is too small, with the bytes needed; it is untouched.
   */
  async getInto(
    key: KeyInput,
    buffer: ArrayBufferView,
    options?: OperationOptions,
  ): Promise<number | undefined> {
    const limits = this.#limitsOf("getInto", options);
    const target = viewOf(buffer, "getInto");
    return copyInto(await this.#backend.get(toKey(key), limits), target, "getInto");
  }

  /**
   * Copies the values of `keys`, each to the buffer in its place.
   * @returns the bytes written to each, undefined for a key that does not exist.
   * @throws PDPM_INVALID_ARGUMENT if a buffer is too small; that one is untouched, others may be
   *   filled.
   */
  async getManyInto(
    keys: Iterable<KeyInput>,
    buffers: Iterable<ArrayBufferView>,
    options?: OperationOptions,
  ): Promise<(number | undefined)[]> {
    const name = "getManyInto";
    const deadline = this.#deadline(name, options);
    const checked = keysOf(keys, name);
    const targets = listOf(buffers, name).map((each, index) =>
      viewOf(each, `${name}, item ${index}`),
    );
    if (checked.length !== targets.length) {
      throw invalid(`${name}: ${checked.length} keys need as many buffers, not ${targets.length}`);
    }
    const found = await this.#many.read(name, checked, deadline);
    return found.map((each, index) =>
      copyInto(each, targets[index] as Uint8Array, `${name}, item ${index}`),
    );
  }

  /**
   * The keys, each that is present throughout exactly once; text where it is UTF-8, else bytes.
   * `supports.orderedKeys` says whether they come in byte order.
   */
  async *keys(options: IterateOptions = {}): AsyncGenerator<KeyInput, void, void> {
    const limits = this.#limitsOf("keys", options, iterateChecks);
    const test = prefixTest(options.prefix ?? "");
    const pages = pagesOf(this.#backend, test, options.limit ?? Infinity, limits);
    for await (const page of pages) yield* page.map(fromKey);
  }

  /** The entries, in the order of `keys`. One that is deleted on the way may be left out. */
  async *entries(options: IterateOptions = {}): AsyncGenerator<[KeyInput, V], void, void> {
    const limits = this.#limitsOf("entries", options, iterateChecks);
    const test = prefixTest(options.prefix ?? "");
    let left = options.limit ?? Infinity;
    // A key whose value is gone does not count, so how many keys it takes is not known before.
    for await (const page of pagesOf(this.#backend, test, left > 0 ? Infinity : 0, limits)) {
      for (let start = 0; start < page.length; start += entriesAhead) {
        const keys = page.slice(start, start + Math.min(entriesAhead, left));
        const found = await this.#many.read("entries", keys, new Deadline(this.#clock, limits));
        for (const [index, key] of keys.entries()) {
          const entry = found[index];
          if (entry === undefined) continue;
          yield [fromKey(key), this.#values.decode(key, entry.value)];
          left -= 1;
        }
        if (left === 0) return;
      }
    }
  }

  /** Counts of this client, and space of the whole store. */
  async stats(): Promise<BackendStats> {
    return this.#backend.stats();
  }

  /** Counts of this client alone: no verb is posted, and it may be asked after close. */
  counters(): BackendCounters {
    return this.#backend.counters();
  }

  /** Settles what is running and lets go of everything. Closing again waits for the same end. */
  async close(options: CloseOptions = {}): Promise<void> {
    checkOptions(options, closeChecks, "close");
    await this.#backend.close(options.timeoutMs ?? this.#timeoutMs);
  }

  /** For `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** What the backend is told of the caller's patience. The common case makes no object. */
  #limitsOf(
    of: string,
    options: OperationOptions | undefined,
    checks: Checks = operationChecks,
  ): Limits {
    if (options === undefined) return this.#limits;
    checkOptions(options, checks, of);
    return { timeoutMs: options.timeoutMs ?? this.#timeoutMs, signal: options.signal };
  }

  /** The same for an operation of several steps. @throws PDPM_CLOSED */
  #deadline(of: string, options: OperationOptions | undefined): Deadline {
    this.#backend.assertOpen();
    return new Deadline(this.#clock, this.#limitsOf(of, options));
  }

  #valueOf(key: Key, found: Found | undefined): V | undefined {
    return found === undefined ? undefined : this.#values.decode(key, found.value);
  }

  #entryOf(key: Key, found: Found | undefined): Entry<V> | undefined {
    if (found === undefined) return undefined;
    return { value: this.#values.decode(key, found.value), version: found.version };
  }
}

function written(version: number): Written {
  return { version };
}
