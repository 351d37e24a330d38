// What this transport's tests stand on: servers and clients that end with their test, and small
// words.

import { once } from "node:events";
import { PdpmError } from "@pdpm/base";
import { encodeControl, FrameKind, frameNumber, frameOperation } from "@pdpm/layout/frame";
import { ArrayMemory, type Memory, type Post } from "@pdpm/verbs";
import { vi } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import { TestService } from "./contract-service.ts";
import { type MemoryServer, type MemoryServerOptions, serveMemory } from "./memory-server.ts";
import { WsNode, type WsNodeOptions } from "./ws-node.ts";

const ends: (() => unknown)[] = [];

/** Has `end` called when the test is over. */
export function atEnd(end: () => unknown): void {
  ends.push(end);
}

/** Ends what the test began, the last first. For `afterEach`. */
export async function endAll(): Promise<void> {
  for (const end of ends.splice(0).reverse()) await end();
}

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

/** A server of `memory`. */
export async function serve(
  memory: Memory,
  options: Partial<MemoryServerOptions> = {},
): Promise<{ server: MemoryServer; service: TestService }> {
  const service = new TestService(memory);
  const place = { host: "127.0.0.1", port: 0, closeTimeoutMs: 100 };
  const server = await serveMemory({ service, ...place, ...options });
  atEnd(() => server.close());
  return { server, service };
}

/** A client that has said hello. */
export async function connect(url: string, options: Partial<WsNodeOptions> = {}): Promise<WsNode> {
  const node = await WsNode.connect({ url, ...options });
  atEnd(() => node.close());
  return node;
}

/** A server of `memory`, and a client with an id. */
export async function pair(
  memory: Memory,
  options: Partial<WsNodeOptions> = {},
): Promise<{ node: WsNode; service: TestService; server: MemoryServer; id: number }> {
  const { service, server } = await serve(memory);
  const node = await connect(server.url, options);
  return { node, service, server, id: await node.admit() };
}

/** A node that says hello and admits everyone, and leaves the rest to the test. */
export interface FakeNode {
  readonly url: string;
  /** `CODE reason` of connections that ended. */
  readonly closes: readonly string[];
  /** Bytes of frames that were left to the test. */
  received(): number;
}

/** Starts a fake node; `onFrame` gets what it does not answer itself. */
export async function fakeNode(
  onFrame: (socket: WebSocket, message: Buffer, view: DataView) => void,
  options: object = {},
): Promise<FakeNode> {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0, ...options });
  await once(server, "listening");
  const closes: string[] = [];
  let received = 0;
  const hello = new TestService(new ArrayMemory(4096)).hello();
  server.on("connection", (socket) => {
    socket.on("close", (code, reason) => void closes.push(`${code} ${reason}`));
    socket.on("message", (message: Buffer) => {
      const view = new DataView(message.buffer, message.byteOffset, message.length);
      const operation = message[0] === FrameKind.call ? frameOperation(view) : undefined;
      const answer = (body: object): void =>
        socket.send(encodeControl(FrameKind.answer, operation ?? "hello", frameNumber(view), body));
      if (operation === "hello") answer(hello);
      else if (operation === "admit") answer({ id: 1 });
      else {
        received += message.length;
        onFrame(socket, message, view);
      }
    });
  });
  atEnd(() => {
    for (const socket of server.clients) socket.terminate();
    server.close();
  });
  const { port } = server.address() as { port: number };
  return { url: `ws://127.0.0.1:${port}`, closes, received: () => received };
}
