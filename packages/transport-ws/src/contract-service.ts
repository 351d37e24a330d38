// What this transport's tests serve and measure time with: a service without a region file, a
// memory whose flushes end when the test says so, and a clock that goes when the test says so.

import { type Clock, PdpmError } from "@pdpm/base";
import { frameProtocolVersion } from "@pdpm/layout/frame";
import { ArrayMemory, type Memory } from "@pdpm/verbs";
import type { Judgement, NodeHello, NodeStats } from "./control.ts";
import type { Connection, MemoryService } from "./service.ts";
import { VerbCounter } from "./verb-counter.ts";

/** Admits everyone who was not fenced; forgets everything when it is dropped. */
export class TestService implements MemoryService {
  readonly memory: Memory;
  readonly applied: VerbCounter = new VerbCounter();
  readonly connections: Map<number, Connection> = new Map();
  readonly fenced: Set<number> = new Set();
  incarnation = 1;
  regionId = "0123456789abcdef0123456789abcdef";
  nextId = 1;

  constructor(memory: Memory) {
    this.memory = memory;
  }

  hello(): NodeHello {
    return {
      protocol: frameProtocolVersion,
      format: 1,
      features: [],
      credential: "",
      storeId: null,
      storeWord: null,
      nodeId: null,
      design: null,
      durability: null,
      incarnation: this.incarnation,
      bootId: "boot",
      region: { id: this.regionId, path: "/nowhere", device: "1", inode: "2" },
      sizeBytes: this.memory.sizeBytes,
      pid: process.pid,
    };
  }

  async admit(connection: Connection, id: number | undefined): Promise<number> {
    const admitted = id ?? this.nextId;
    this.nextId = Math.max(this.nextId, admitted) + 1;
    if (this.fenced.has(admitted)) throw new PdpmError("PDPM_FENCED", `${admitted} was fenced`);
    await this.connections.get(admitted)?.end("it came back");
    this.connections.set(admitted, connection);
    return admitted;
  }

  async fence(id: number): Promise<void> {
    this.fenced.add(id);
    await this.connections.get(id)?.end("it was fenced");
  }

  judge(id: number): Judgement {
    return id === 1 ? { alive: true, pid: 4711 } : { alive: false };
  }

  async extend(sizeBytes: number): Promise<number> {
    await this.memory.extend(sizeBytes);
    return this.memory.sizeBytes;
  }

  stats(): NodeStats {
    return {
      applied: this.applied.snapshot(),
      pid: process.pid,
      cpuSeconds: 0,
      sizeBytes: this.memory.sizeBytes,
      connections: this.connections.size,
      fenced: { ids: this.fenced.size, through: 0 },
    };
  }
}

/** An array whose flushes wait until `release`. */
export class SlowMemory implements Memory {
  readonly inner: ArrayMemory;
  readonly #waiting: (() => void)[] = [];

  constructor(sizeBytes: number) {
    this.inner = new ArrayMemory(sizeBytes);
  }

  get sizeBytes(): number {
    return this.inner.sizeBytes;
  }

  /** How many flushes wait. */
  get flushes(): number {
    return this.#waiting.length;
  }

  read(offset: number, target: Uint8Array): void {
    this.inner.read(offset, target);
  }

  write(offset: number, data: Uint8Array): void {
    this.inner.write(offset, data);
  }

  compareAndSwap(offset: number, expectedWord: bigint, desiredWord: bigint): bigint {
    return this.inner.compareAndSwap(offset, expectedWord, desiredWord);
  }

  flush(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  extend(sizeBytes: number): Promise<void> {
    return this.inner.extend(sizeBytes);
  }

  /** Ends the flushes that wait now. */
  release(): void {
    for (const end of this.#waiting.splice(0)) end();
  }
}

/** Stands still until it is moved. */
export class TestClock implements Clock {
  readonly #timers = new Set<{ at: number; then: () => void }>();
  #now = 0;

  now(): number {
    return this.#now;
  }

  after(ms: number, then: () => void): () => void {
    const timer = { at: this.#now + ms, then };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  /** Whether somebody waits for a time to come. */
  get isAwaited(): boolean {
    return this.#timers.size > 0;
  }

  /** Moves on, and calls whose time has come, in order. */
  advance(ms: number): void {
    this.#now += ms;
    const due = [...this.#timers].filter(({ at }) => at <= this.#now).sort((a, b) => a.at - b.at);
    for (const timer of due) {
      if (this.#timers.delete(timer)) timer.then();
    }
  }
}
