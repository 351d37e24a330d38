// The service as a client sees it: what each request answers.

import type { Clock } from "@pdpm/base";
import { expect, test } from "vitest";
import {
  buffer,
  Caller,
  enter,
  key,
  regionHeaderBytes,
  sceneLabel,
  sceneService,
  sizeClass,
} from "./contract-scene.ts";
import { MemoryStore } from "./memory-store.ts";
import { directoryOf } from "./records.ts";
import type { MetadataService } from "./service.ts";
import type { Expected, StoreRecord, Writes } from "./store.ts";

test("a key is created in a leased buffer, moves on, and is forgotten", async () => {
  const service = sceneService(new MemoryStore());
  const caller = await enter(service, 7);
  expect(await caller.do({ do: "lease", sizeClass, buffers: 3 })).toEqual({
    grow: { node: 1, place: 0, sizeBytes: regionHeaderBytes + sceneLabel.chunkBytes },
  });
  expect(await caller.do({ do: "addChunk", node: 1, place: 0, sizeClass })).toEqual({ chunk: 1 });
  const [part] = await caller.lease(3);
  expect(part).toMatchObject({ chunk: 1, span: 0 });

  const [a, b] = [buffer(1, 0), buffer(1, 1)];
  const create = { do: "create", key: key("k"), pointer: a, commitNumber: 5 } as const;
  expect(await caller.do(create)).toBe("created");
  const moves = [{ key: key("k"), head: a, next: b, freed: [a] }];
  expect(await caller.do({ do: "advance", moves })).toEqual(["moved"]);
  expect(await service.handle({ ask: "lookup", key: key("k") })).toEqual({
    head: b,
    stale: [],
    floor: 0,
  });
  const forget = { do: "forget", key: key("k"), head: b, commitNumber: 9, freed: [b] } as const;
  expect(await caller.do(forget)).toBe("forgotten");
  expect(await service.handle({ ask: "lookup", key: key("k") })).toEqual({
    head: null,
    stale: [],
    floor: 9,
  });
  expect(await caller.do({ ...create, pointer: buffer(1, 2) })).toEqual({ floor: 9 });
});

/** A store whose answers can be held back. */
class SlowStore extends MemoryStore {
  release: (() => void) | undefined;
  commits = 0;
  isSlow = false;

  override async get(name: string): Promise<StoreRecord | undefined> {
    if (this.isSlow) {
      await new Promise<void>((resolve) => {
        this.release = resolve;
      });
    }
    return super.get(name);
  }

  override commit(expected: Expected, writes: Writes): Promise<boolean> {
    this.commits += 1;
    return super.commit(expected, writes);
  }
}

/** A clock that stands still until it is told to go on. */
class HandClock implements Clock {
  time = 0;
  #timers: (() => void)[] = [];

  now(): number {
    return this.time;
  }

  after(_ms: number, then: () => void): () => void {
    this.#timers.push(then);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== then);
    };
  }

  goTo(time: number): void {
    this.time = time;
    for (const timer of this.#timers) timer();
  }

  get timers(): number {
    return this.#timers.length;
  }
}

test("a call ends at its deadline, and begins no commit after it", async () => {
  const store = new SlowStore();
  const clock = new HandClock();
  const one = await enter(sceneService(store, { clock, callTimeoutMs: 500 }), 1);
  expect(clock.timers).toBe(0);
  store.isSlow = true;
  const { commits } = store;
  for (const [work, outcome] of [
    [one.do({ do: "press" }), "unknown"],
    [one.ask({ ask: "lookup", key: key("k") }), "not-applied"],
  ] as const) {
    clock.goTo(clock.time + 500);
    await expect(work).rejects.toMatchObject({ code: "PDPM_TIMEOUT", outcome });
  }
  store.isSlow = false;
  store.release?.();
  await new Promise((resolve) => setImmediate(resolve));
  expect(store.commits).toBe(commits);
});

test("services over one store know what any of them was told", async () => {
  const store = new MemoryStore();
  const services = [sceneService(store), sceneService(store), sceneService(store)];
  const [a, b, c] = services as [MetadataService, MetadataService, MetadataService];
  const one = await enter(a, 1);
  await one.do({ do: "addChunk", node: 1, place: 0, sizeClass });
  await new Caller(b, 1, 1).lease(1);
  const create = { do: "create", key: key("k"), pointer: buffer(1, 0), commitNumber: 1 } as const;
  expect(await new Caller(c, 1, 2).do(create)).toBe("created");
  expect(await a.handle({ ask: "lookup", key: key("k") })).toMatchObject({ head: buffer(1, 0) });
});

test("a damaged record is named, not taken for a missing one", async () => {
  const store = new MemoryStore();
  const service = sceneService(store);
  const { key: name } = directoryOf(key("k"));
  await store.commit(new Map(), new Map([[name, Uint8Array.of(1, 2, 3, 4, 5, 6)]]));
  const damaged = service.handle({ ask: "lookup", key: key("k") });
  await expect(damaged).rejects.toThrow(`PDPM_CORRUPT: the metadata record "${name}"`);
});
