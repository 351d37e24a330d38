// The reader/writer lock of an entry: who waits for whom, in what order, and for how long.

import { PdpmError, Prng } from "@pdpm/base";
import type { Key } from "@pdpm/kv";
import type { Protocol } from "@pdpm/verbs";
import { expect, test } from "vitest";
import { EntryLocks, waitersMost } from "./entry-locks.ts";
import { CentralEvents, type Context } from "./session.ts";

const key = "k" as Key;
const context = {
  session: { prng: new Prng("locks"), events: new CentralEvents() },
  operation: {},
} as unknown as Context;

/** A protocol that is resumed by hand. */
class Walker {
  readonly #protocol: Protocol<void>;
  isDone = false;

  constructor(protocol: Protocol<void>) {
    this.#protocol = protocol;
    this.step();
  }

  step(): boolean {
    if (!this.isDone) this.isDone = this.#protocol.next([undefined]).done === true;
    return this.isDone;
  }

  tell(): void {
    expect(() => this.#protocol.throw(new PdpmError("PDPM_TIMEOUT", "told"))).toThrow("told");
    this.isDone = true;
  }
}

test("readers share, a writer excludes, and an idle lock takes no memory", () => {
  const locks = new EntryLocks();
  expect(locks.tryRead(key)).toBe(true);
  expect(locks.tryRead(key)).toBe(true);
  const writer = new Walker(locks.write(context, key));
  expect(writer.isDone).toBe(false);
  locks.endRead(key);
  expect(writer.step()).toBe(false);
  locks.endRead(key);
  expect(writer.step()).toBe(true);
  expect(locks.tryRead(key)).toBe(false);
  const reader = new Walker(locks.read(context, key));
  const second = new Walker(locks.write(context, key));
  expect([reader.isDone, second.isDone]).toEqual([false, false]);
  locks.endWrite(key);
  expect([reader.step(), second.step()]).toEqual([true, false]);
  locks.endRead(key);
  expect(second.step()).toBe(true);
  locks.endWrite(key);
  expect(locks.size).toBe(0);
});

test("first come, first served: a stream of readers does not starve a writer", () => {
  const locks = new EntryLocks();
  locks.tryRead(key);
  const writer = new Walker(locks.write(context, key));
  expect(locks.tryRead(key)).toBe(false);
  const late = [1, 2, 3].map(() => new Walker(locks.read(context, key)));
  const last = new Walker(locks.write(context, key));
  locks.endRead(key);
  expect(late.map((reader) => reader.step())).toEqual([false, false, false]);
  expect(writer.step()).toBe(true);
  locks.endWrite(key);
  expect(late.map((reader) => reader.step())).toEqual([true, true, true]);
  expect(last.step()).toBe(false);
});

test("entries do not wait for each other", () => {
  const locks = new EntryLocks();
  expect(new Walker(locks.write(context, key)).isDone).toBe(true);
  expect(new Walker(locks.write(context, "other" as Key)).isDone).toBe(true);
});

test("who is told to stop leaves the line, also if its turn has come", () => {
  const locks = new EntryLocks();
  locks.tryRead(key);
  const first = new Walker(locks.write(context, key));
  const second = new Walker(locks.write(context, key));
  const reader = new Walker(locks.read(context, key));
  first.tell();
  locks.endRead(key);
  // It is the second one's turn, and it does not know yet.
  second.tell();
  expect(reader.step()).toBe(true);
  locks.endRead(key);
  expect(locks.size).toBe(0);
});

test("the line is bounded", () => {
  const locks = new EntryLocks();
  new Walker(locks.write(context, key));
  for (let i = 0; i < waitersMost; i += 1) new Walker(locks.read(context, key));
  expect(() => new Walker(locks.read(context, key))).toThrow("PDPM_BUSY");
});
