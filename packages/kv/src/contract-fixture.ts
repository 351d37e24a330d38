// What every chapter of the contract suite works with: a fresh store per test, clients of it that
// are closed afterwards, values that can be told apart, and how a failure is looked at.

import { isPdpmError, type PdpmError } from "@pdpm/base";
import { expect } from "vitest";
import type { Store } from "./store.ts";

/** A store to run the suite on, made anew for every test. */
export interface KvSubject {
  /** Another client of the same store each time. The suite closes it. */
  open(): Promise<Store<Uint8Array>>;
  /** Called last, when every client was closed. */
  teardown(): Promise<void>;
}

/** One test's store. */
export class Fixture {
  /** The first client. */
  readonly store: Store<Uint8Array>;
  readonly #subject: KvSubject;
  readonly #clients: Store<Uint8Array>[];

  private constructor(subject: KvSubject, store: Store<Uint8Array>) {
    this.#subject = subject;
    this.store = store;
    this.#clients = [store];
  }

  static async begin(setup: () => Promise<KvSubject>): Promise<Fixture> {
    const subject = await setup();
    return new Fixture(subject, await subject.open());
  }

  /** Another client of the same store. */
  async another(): Promise<Store<Uint8Array>> {
    const client = await this.#subject.open();
    this.#clients.push(client);
    return client;
  }

  async end(): Promise<void> {
    try {
      await Promise.all(this.#clients.map((client) => client.close()));
    } finally {
      await this.#subject.teardown();
    }
  }
}

/** How a chapter gets at the fixture of the test that runs. */
export type UseFixture = () => Fixture;

/** `length` bytes that depend on `seed` and on their place. */
export function sample(length: number, seed = 1): Uint8Array {
  const value = new Uint8Array(length);
  for (let i = 0; i < length; i += 1) value[i] = (i * 31 + (i >>> 8) * 7 + seed * 101) & 0xff;
  return value;
}

/** The bytes of a text. */
export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** The text of a value that must be there. */
export function text(value: Uint8Array | undefined): string {
  if (value === undefined) throw new Error("there is no value");
  return new TextDecoder().decode(value);
}

/** Fails unless both are the same bytes; quick and short also for a megabyte. */
export function expectSame(found: Uint8Array | undefined, wanted: Uint8Array): void {
  expect(found).toBeInstanceOf(Uint8Array);
  expect(found?.length).toBe(wanted.length);
  expect(Buffer.compare(found as Uint8Array, wanted)).toBe(0);
}

/** The error that `work` must reject with: one of ours, with this code and outcome. */
export async function failureOf(
  work: Promise<unknown>,
  code: PdpmError["code"],
  outcome: PdpmError["outcome"] = "not-applied",
): Promise<PdpmError> {
  const error: unknown = await work.then(
    (value) => new Error(`resolved to ${String(value)} in place of ${code}`),
    (reason: unknown) => reason,
  );
  if (!isPdpmError(error)) throw error;
  expect(error.message.startsWith(`${code}: `), error.message).toBe(true);
  expect([error.code, error.outcome]).toEqual([code, outcome]);
  return error;
}

/** The items of an iteration. */
export async function listed<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}
