// What this package's tests stand on: a directory in memory, nodes and clients that end with the
// test.

import { mkdtemp, rm } from "node:fs/promises";
import { PdpmError, systemClock } from "@pdpm/base";
import { MappedRegion } from "@pdpm/transport-mapped";
import { WsNode, type WsNodeOptions } from "@pdpm/transport-ws";
import type { Post } from "@pdpm/verbs";
import { vi } from "vitest";
import { MemoryNode, type MemoryNodeOptions } from "./memory-node.ts";

/** Size of a region that a test's node makes. */
export const sizeBytes: number = 64 * 1024;

/** Waits until `check` throws no more: the machine may be busy. */
export function soon<T>(check: () => T | Promise<T>): Promise<T> {
  return vi.waitFor(check, { timeout: 10_000 });
}

/** Places a post as the router would. */
export function at<R>(offset: number, post: Post<R>): Post<R> {
  post.offset = offset;
  return post;
}

/** `CODE outcome` of a failure. */
export function codeOf(reply: unknown): string {
  return reply instanceof PdpmError ? `${reply.code} ${reply.outcome}` : "a value";
}

/** One test's directory, and what it started there. */
export class Scene {
  readonly dir: string;
  readonly #ends: (() => unknown)[] = [];

  private constructor(dir: string) {
    this.dir = dir;
  }

  static async begin(): Promise<Scene> {
    const scene = new Scene(await mkdtemp("/dev/shm/pdpm-node-"));
    scene.atEnd(() => rm(scene.dir, { recursive: true }));
    return scene;
  }

  atEnd(end: () => unknown): void {
    this.#ends.push(end);
  }

  /** Ends what the test began, the last first. */
  async end(): Promise<void> {
    for (const end of this.#ends.splice(0).reverse()) await end();
  }

  async start(options: Partial<MemoryNodeOptions> = {}): Promise<MemoryNode> {
    const node = await MemoryNode.start({ dir: this.dir, initialBytes: sizeBytes, ...options });
    this.atEnd(() => node.close().catch(() => undefined));
    return node;
  }

  /** A client that has said hello. */
  async connect(node: MemoryNode, options: Partial<WsNodeOptions> = {}): Promise<WsNode> {
    const client = await WsNode.connect({ url: node.url, ...options });
    this.atEnd(() => client.close());
    return client;
  }

  /** A client with an id. */
  async client(node: MemoryNode, id?: number): Promise<WsNode> {
    const connected = await this.connect(node);
    await connected.admit(id);
    return connected;
  }

  /** Runs `use` on the region as a mapped process would. */
  async withRegion(use: (region: MappedRegion) => void | Promise<void>): Promise<void> {
    const region = MappedRegion.open(this.dir, systemClock);
    try {
      await use(region);
    } finally {
      await region.close();
    }
  }
}
