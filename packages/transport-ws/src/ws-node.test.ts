// The client half: against a good node that is fenced, restarted and cut off, and against nodes that
// answer nonsense, answer late, or do not answer.

import { once } from "node:events";
import { createServer } from "node:net";
import { PdpmError } from "@pdpm/base";
import {
  encodeControl,
  FrameKind,
  frameHeaderBytes,
  frameNumber,
  frameOperation,
  putFrameHeader,
  putPartHeader,
  putReplyHeader,
  statusNumber,
} from "@pdpm/layout/frame";
import {
  ArrayMemory,
  compareAndSwap,
  flush,
  type Memory,
  type Post,
  type Replies,
  read,
  write,
} from "@pdpm/verbs";
import { afterEach, expect, test, vi } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import { SlowMemory, TestClock, TestService } from "./contract-service.ts";
import { callsMost, inFlightBytesMost } from "./limits.ts";
import { type MemoryServer, serveMemory } from "./memory-server.ts";
import { WsNode, type WsNodeOptions } from "./ws-node.ts";

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

function at<R>(offset: number, post: Post<R>): Post<R> {
  post.offset = offset;
  return post;
}

/** `CODE outcome` of a failure. */
function codeOf(reply: unknown): string {
  return reply instanceof PdpmError ? `${reply.code} ${reply.outcome}` : "a value";
}

async function connect(url: string, options: Partial<WsNodeOptions> = {}): Promise<WsNode> {
  const node = await WsNode.connect({ url, ...options });
  ends.push(() => node.close());
  return node;
}

async function serve(memory: Memory, port = 0): Promise<[TestService, MemoryServer]> {
  const service = new TestService(memory);
  const server = await serveMemory({ service, host: "127.0.0.1", port, closeTimeoutMs: 100 });
  ends.push(() => server.close());
  return [service, server];
}

async function pair(
  memory: Memory,
  options: Partial<WsNodeOptions> = {},
): Promise<{ node: WsNode; service: TestService; server: MemoryServer; id: number }> {
  const [service, server] = await serve(memory);
  const node = await connect(server.url, options);
  return { node, service, server, id: await node.admit() };
}

/** A node that says hello, admits everyone, and leaves the rest to `onFrame`. */
async function fakeNode(
  onFrame: (socket: WebSocket, message: Buffer, view: DataView) => void,
  options: object = {},
): Promise<{ url: string; closes: string[]; received: () => number }> {
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
  ends.push(() => {
    for (const socket of server.clients) socket.terminate();
    server.close();
  });
  const { port } = server.address() as { port: number };
  return { url: `ws://127.0.0.1:${port}`, closes, received: () => received };
}

test("rounds posted in one turn leave in one frame, and their replies come in one", async () => {
  const { node } = await pair(new ArrayMemory(8192));
  const before = node.counters;
  const rounds = Array.from({ length: 20 }, (_, i) => node.post([at(i * 8, read(0, 1096))]));
  await Promise.all(rounds);
  expect(node.counters.framesSent - before.framesSent).toBe(1);
  expect(node.counters.framesReceived - before.framesReceived).toBe(1);
});

test("a get of 1096 bytes moves fewer than 80 bytes besides, both ways together", async () => {
  const { node } = await pair(new ArrayMemory(8192));
  const before = node.counters;
  await node.post([at(0, read(0, 1096))]);
  const { counters } = node;
  const sent = counters.bytesSent - before.bytesSent;
  const received = counters.bytesReceived - before.bytesReceived;
  expect(sent + received).toBe(1096 + 56);
});

test("verbs posted by the client are the verbs applied by the node", async () => {
  const { node, service } = await pair(new ArrayMemory(8192));
  await Promise.all([
    node.post([at(0, write(0, new Uint8Array(100))), at(0, flush(0, 100)), at(0, read(0, 50))]),
    node.post([at(0, compareAndSwap(0, 0n, 1n)), at(8, compareAndSwap(0, 5n, 1n))]),
    node.post([at(0, read(0, 24))]),
  ]);
  expect(node.counters.posted).toEqual(service.applied.snapshot());
  expect(node.counters.posted).toEqual({
    reads: 2,
    writes: 1,
    swaps: 2,
    flushes: 1,
    bytesRead: 74,
    bytesWritten: 100,
  });
});

test("a round larger than the window goes in parts, in order, behind its own flush, too", async () => {
  const memory = new SlowMemory(32 * 2 ** 20);
  const { node } = await pair(memory);
  const count = 20;
  const posts: Post[] = [];
  for (let i = 0; i < count; i += 1) {
    posts.push(at(i * 2 ** 20, write(0, new Uint8Array(2 ** 20).fill(i + 1))));
    if (i % 5 === 4) posts.push(at(0, flush(0, 8)));
  }
  for (let i = 0; i < count; i += 1) posts.push(at(i * 2 ** 20, read(0, 2 ** 20)));
  const going = setInterval(() => memory.release(), 1);
  ends.push(() => clearInterval(going));
  const replies = await node.post(posts);
  expect(replies.length).toBe(posts.length);
  const values = replies.slice(-count) as Uint8Array[];
  expect(values.map((value) => [value[0], value.at(-1), value.length])).toEqual(
    values.map((_, i) => [i + 1, i + 1, 2 ** 20]),
  );
});

test("what waits behind a full window goes in order when the window opens", async () => {
  const { node } = await pair(new ArrayMemory(2 ** 21));
  const data = new Uint8Array(2 ** 20);
  const order: number[] = [];
  const rounds = Array.from({ length: 40 }, async (_, i) => {
    await node.post([at(8, write(0, data)), at(0, compareAndSwap(0, BigInt(i), BigInt(i + 1)))]);
    order.push(i);
  });
  await Promise.all(rounds);
  expect(order).toEqual(Array.from(order, (_, i) => i));
  const [word] = (await node.post([at(0, read(0, 8))])) as Uint8Array[];
  expect(word?.[0]).toBe(40);
});

test("no more than the window is in flight; when the connection breaks, what was sent is unknown and what was not is not-applied", async () => {
  const sockets: WebSocket[] = [];
  const { url, received } = await fakeNode((socket) => void sockets.push(socket));
  const node = await connect(url);
  await node.admit();
  const data = new Uint8Array(2 ** 20);
  const partly = node.post(Array.from({ length: 20 }, () => at(0, write(0, data))));
  const behind = node.post([at(0, read(0, 8))]);
  await vi.waitFor(() => expect(received()).toBeGreaterThan(7 * 2 ** 20));
  expect(received()).toBeLessThanOrEqual(inFlightBytesMost);
  sockets[0]?.terminate();
  const replies = (await partly).map(codeOf);
  expect(replies.slice(0, 7)).toEqual(Array(7).fill("PDPM_UNAVAILABLE unknown"));
  expect(replies.slice(7)).toEqual(Array(13).fill("PDPM_UNAVAILABLE not-applied"));
  expect((await behind).map(codeOf)).toEqual(["PDPM_UNAVAILABLE not-applied"]);
});

test("a verb that was answered keeps its reply when the connection breaks behind it", async () => {
  const memory = new SlowMemory(4096);
  const { node, service, id } = await pair(memory);
  const replies = node.post([at(0, write(0, new Uint8Array(8))), at(0, flush(0, 8))]);
  await vi.waitFor(() => expect(service.applied.writes).toBe(1));
  // The reply to the write is on its way before the connection is ended.
  await node.stats();
  void service.connections.get(id)?.end("for the test");
  expect((await replies).map(codeOf)).toEqual(["a value", "PDPM_UNAVAILABLE unknown"]);
  memory.release();
});

test("after a break the client connects again by itself, under its id; posts wait for that", async () => {
  const { node, service, id } = await pair(new ArrayMemory(4096));
  await node.post([at(0, write(0, Uint8Array.of(7)))]);
  const session = service.connections.get(id);
  await session?.end("for the test");
  const codes = new Set<string>();
  while (node.counters.connections < 2) {
    codes.add(codeOf((await node.post([at(0, read(0, 1))]))[0]));
  }
  // Lost with the connection, or carried by the next one; none was turned away in between.
  expect(codes).not.toContain("PDPM_UNAVAILABLE not-applied");
  const [reply] = await node.post([at(0, read(0, 1))]);
  expect(reply).toEqual(Uint8Array.of(7));
  expect(node.clientId).toBe(id);
  expect(service.connections.get(id)).not.toBe(session);
});

test("while the node is down posts fail at once, and when it is back they work again", async () => {
  const memory = new ArrayMemory(4096);
  const { node, service, server } = await pair(memory, { backoff: { firstMs: 5, mostMs: 20 } });
  const { port } = new URL(server.url);
  await server.close();
  await vi.waitFor(async () => {
    const replies: Replies | Promise<Replies> = node.post([at(0, read(0, 8))]);
    // Ready at once: no attempt is running.
    expect(replies).toBeInstanceOf(Array);
    expect((await replies).map(codeOf)).toEqual(["PDPM_UNAVAILABLE not-applied"]);
  });
  const again = await serveMemory({ service, host: "127.0.0.1", port: Number(port) });
  ends.push(() => again.close());
  await vi.waitFor(async () => {
    expect((await node.post([at(0, read(0, 8))])).map(codeOf)).toEqual(["a value"]);
  });
});

test("posts that wait for an attempt reply not-applied when it fails", async () => {
  const clock = new TestClock();
  let isDeaf = false;
  const sockets: WebSocket[] = [];
  const { url } = await fakeNode((socket) => void sockets.push(socket), {
    verifyClient: (_: unknown, accept: (yes: boolean) => void) => {
      if (!isDeaf) accept(true);
    },
  });
  const node = await connect(url, { clock });
  await node.admit();
  clock.advance(5000);
  isDeaf = true;
  const first = node.post([at(0, read(0, 8))]);
  await vi.waitFor(() => expect(sockets.length).toBe(1));
  sockets[0]?.terminate();
  expect((await first).map(codeOf)).toEqual(["PDPM_UNAVAILABLE unknown"]);
  // The attempt that runs now is never answered.
  const waiting = node.post([at(0, write(0, new Uint8Array(8)))]);
  expect(waiting).toBeInstanceOf(Promise);
  clock.advance(2000);
  expect((await waiting).map(codeOf)).toEqual(["PDPM_UNAVAILABLE not-applied"]);
  expect(node.post([at(0, read(0, 8))])).toBeInstanceOf(Array);
});

test("posts reply PDPM_FENCED until a client id was admitted", async () => {
  const [, server] = await serve(new ArrayMemory(4096));
  const node = await connect(server.url);
  expect((await node.post([at(0, read(0, 8))])).map(codeOf)).toEqual(["PDPM_FENCED not-applied"]);
  await node.admit(17);
  expect(node.clientId).toBe(17);
  expect((await node.post([at(0, read(0, 8))])).map(codeOf)).toEqual(["a value"]);
});

test("a fenced client hears of it once, and comes back with a new id only", async () => {
  const onFenced = vi.fn();
  const { node, service, id } = await pair(new ArrayMemory(4096), { onFenced });
  await service.fence(id);
  await vi.waitFor(() => expect(onFenced).toHaveBeenCalledTimes(1));
  expect(codeOf(onFenced.mock.calls[0]?.[0])).toBe("PDPM_FENCED not-applied");
  const posts = [at(0, read(0, 8)), at(0, read(0, 8))];
  expect((await node.post(posts)).map(codeOf)).toEqual(Array(2).fill("PDPM_FENCED not-applied"));
  await expect(node.admit(id)).rejects.toMatchObject({ code: "PDPM_FENCED" });
  expect(node.clientId).toBeUndefined();
  expect(await node.admit()).not.toBe(id);
  expect((await node.post(posts)).map(codeOf)).toEqual(["a value", "a value"]);
  expect(onFenced).toHaveBeenCalledTimes(1);
});

test("a new incarnation fences the client, whatever the node says of its id", async () => {
  const onFenced = vi.fn();
  const { node, service, id } = await pair(new ArrayMemory(4096), { onFenced });
  service.incarnation = 2;
  await service.connections.get(id)?.end("for the test");
  await vi.waitFor(() => expect(onFenced).toHaveBeenCalledTimes(1));
  expect((await node.post([at(0, read(0, 8))])).map(codeOf)).toEqual(["PDPM_FENCED not-applied"]);
  expect(node.hello.incarnation).toBe(2);
  await node.admit();
  expect((await node.post([at(0, read(0, 8))])).map(codeOf)).toEqual(["a value"]);
});

test("another region under the same address is not written to, by no id", async () => {
  const { node, service, id } = await pair(new ArrayMemory(4096));
  service.regionId = "f".repeat(32);
  await service.connections.get(id)?.end("for the test");
  await vi.waitFor(() => expect(node.clientId).toBeUndefined());
  const replies = await node.post([at(0, write(0, Uint8Array.of(1)))]);
  expect(replies.map(codeOf)).toEqual(["PDPM_WRONG_STORE not-applied"]);
  await expect(node.admit()).rejects.toMatchObject({ code: "PDPM_WRONG_STORE" });
});

test("another id takes another connection: rounds of the old one are given up", async () => {
  const memory = new SlowMemory(4096);
  const { node, service, id } = await pair(memory);
  const old = node.post([at(0, flush(0, 8))]);
  await vi.waitFor(() => expect(memory.flushes).toBe(1));
  const session = service.connections.get(id);
  expect(await node.admit(9)).toBe(9);
  expect((await old).map(codeOf)).toEqual(["PDPM_FENCED unknown"]);
  await vi.waitFor(() => expect(session?.isEnded).toBe(true));
  expect((await node.post([at(0, read(0, 8))])).map(codeOf)).toEqual(["a value"]);
  memory.release();
});

/** A frame with one reply to `round`. */
function replyFrame(round: number, bytes: number, status = 0): Buffer {
  const frame = Buffer.alloc(frameHeaderBytes + 16 + bytes);
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  putFrameHeader(view, FrameKind.replies, 1);
  putPartHeader(view, 8, round, 1, false);
  putReplyHeader(view, 16, bytes, status);
  return frame;
}

test("a node that answers nonsense is cut off with 1002, and its rounds are unknown", async () => {
  const cases: [string, Buffer | string][] = [
    ["a malformed frame", Buffer.from([2, 0, 0, 0, 1, 0, 0, 0])],
    ["a reply to no round", replyFrame(2, 8)],
    ["too short a read", replyFrame(1, 16)],
    ["a text", "hello"],
    ["a frame of rounds", replyFrame(1, 8).fill(1, 0, 1)],
    ["two replies to one read", twoReplies()],
  ];
  for (const [name, nonsense] of cases) {
    const { url, closes } = await fakeNode((socket) => socket.send(nonsense));
    const node = await connect(url);
    await node.admit();
    const replies = await node.post([at(0, read(0, 8))]);
    expect(replies.map(codeOf), name).toEqual(["PDPM_UNAVAILABLE unknown"]);
    await vi.waitFor(() => expect(closes[0], name).toMatch(/^1002 malformed frame: /));
    await node.close();
  }
});

function twoReplies(): Buffer {
  const frame = Buffer.concat([replyFrame(1, 8), Buffer.alloc(16)]);
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  putPartHeader(view, 8, 1, 2, false);
  putReplyHeader(view, 32, 8);
  return frame;
}

test("swaps and writes with replies of a wrong size are nonsense, too", async () => {
  for (const [post, bytes] of [
    [compareAndSwap(0, 0n, 1n), 0],
    [write(0, new Uint8Array(8)), 8],
  ] as const) {
    const { url } = await fakeNode((socket) => socket.send(replyFrame(1, bytes)));
    const node = await connect(url);
    await node.admit();
    expect((await node.post([at(0, post)])).map(codeOf)).toEqual(["PDPM_UNAVAILABLE unknown"]);
    await node.close();
  }
});

test("a failure keeps its code, outcome and text across the wire", async () => {
  const { url } = await fakeNode((socket) => {
    const frame = replyFrame(1, 8, statusNumber.PDPM_POISONED);
    frame[17] = 1;
    frame.write("a flush!", 24);
    socket.send(frame);
  });
  const node = await connect(url);
  await node.admit();
  const [reply] = await node.post([at(0, flush(0, 8))]);
  expect(reply).toMatchObject({ code: "PDPM_POISONED", outcome: "unknown", text: "a flush!" });
});

test("control calls reach the node, and its refusals come back", async () => {
  const { node, service } = await pair(new ArrayMemory(8192, 4096));
  expect(await node.judge(1)).toEqual({ alive: true, pid: 4711 });
  expect(await node.judge(2)).toEqual({ alive: false });
  await node.extend(8192);
  expect(service.memory.sizeBytes).toBe(8192);
  await expect(node.extend(8193)).rejects.toMatchObject({ code: "PDPM_NO_SPACE" });
  await node.fence(99);
  expect(service.fenced.has(99)).toBe(true);
  expect(await node.stats()).toMatchObject({ sizeBytes: 8192, fenced: { ids: 1, through: 0 } });
  await expect(node.fence(0)).rejects.toMatchObject({ code: "PDPM_INVALID_ARGUMENT" });
  await expect(node.fence(2 ** 27)).rejects.toMatchObject({ code: "PDPM_INVALID_ARGUMENT" });
  await expect(node.extend(-1)).rejects.toMatchObject({ code: "PDPM_INVALID_ARGUMENT" });
});

test("a call that is not answered in time is PDPM_TIMEOUT, and a late answer is dropped", async () => {
  const clock = new TestClock();
  const late: (() => void)[] = [];
  const { url } = await fakeNode((socket, _message, view) => {
    const frame = encodeControl(FrameKind.answer, "stats", frameNumber(view), { pid: 1 });
    late.push(() => socket.send(frame));
  });
  const node = await connect(url, { clock, callTimeoutMs: 500 });
  const stats = node.stats();
  const failed = expect(stats).rejects.toMatchObject({ code: "PDPM_TIMEOUT", outcome: "unknown" });
  await vi.waitFor(() => expect(late.length).toBe(1));
  clock.advance(500);
  await failed;
  late[0]?.();
  const second = node.stats();
  await vi.waitFor(() => expect(late.length).toBe(2));
  late[1]?.();
  expect(await second).toEqual({ pid: 1 });
});

test("calls in flight are unknown when the connection breaks; too many at once are refused", async () => {
  const sockets: WebSocket[] = [];
  const { url } = await fakeNode((socket) => void sockets.push(socket));
  const node = await connect(url);
  const calls = Array.from({ length: callsMost + 1 }, () => node.stats().catch(codeOf));
  expect(await calls[callsMost]).toBe("PDPM_BUSY not-applied");
  await vi.waitFor(() => expect(sockets.length).toBe(callsMost));
  sockets[0]?.terminate();
  expect(new Set(await Promise.all(calls.slice(0, callsMost)))).toEqual(
    new Set(["PDPM_UNAVAILABLE unknown"]),
  );
});

test("an attempt ends by its deadline, also when the node accepts and says nothing", async () => {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  ends.push(() => server.close());
  const { port } = server.address() as { port: number };
  const clock = new TestClock();
  const attempt = WsNode.connect({ url: `ws://127.0.0.1:${port}`, clock, connectTimeoutMs: 300 });
  const failed = expect(attempt).rejects.toMatchObject({
    code: "PDPM_UNAVAILABLE",
    outcome: "not-applied",
    message: expect.stringContaining("no answer within 300 ms"),
  });
  await once(server, "connection");
  clock.advance(300);
  await failed;
});

test("nobody there, a bad URL and another protocol are told apart", async () => {
  const codeFor = (url: string): Promise<string> =>
    WsNode.connect({ url }).then(() => "connected", codeOf);
  for (const url of ["", "http://127.0.0.1:1", "ws://127.0.0.1", "ws://h:1/x", "ws://a:b@c:1"]) {
    expect(await codeFor(url), url).toBe("PDPM_INVALID_ARGUMENT not-applied");
  }
  expect(await codeFor("ws://127.0.0.1:1")).toBe("PDPM_UNAVAILABLE not-applied");
  const [service, server] = await serve(new ArrayMemory(4096));
  const hello = service.hello();
  for (const [name, value] of [
    ["protocol", 2],
    ["region", null],
    ["incarnation", -1],
    ["storeId", 7],
    ["nodeId", "0"],
  ]) {
    service.hello = () => ({ ...hello, [name as string]: value });
    expect(await codeFor(server.url), String(name)).toBe("PDPM_UNSUPPORTED not-applied");
  }
});

test("a silent node is given up: its rounds are unknown", async () => {
  const clock = new TestClock();
  const { url } = await fakeNode(() => undefined, { autoPong: false });
  const node = await connect(url, { clock, keepAliveMs: 1000 });
  await node.admit();
  const replies = node.post([at(0, read(0, 8))]);
  for (let tick = 0; tick < 3; tick += 1) clock.advance(1000);
  expect((await replies).map(codeOf)).toEqual(["PDPM_UNAVAILABLE unknown"]);
});

test("close does not wait for a node that does not say goodbye, and answers what is in flight", async () => {
  const clock = new TestClock();
  const { url } = await fakeNode((socket) => socket.pause());
  const node = await connect(url, { clock });
  await node.admit();
  const sent = node.post([at(0, read(0, 8))]);
  await new Promise((resolve) => setImmediate(resolve));
  const unsent = node.post([at(0, read(0, 8))]);
  const closed = node.close();
  expect((await sent).map(codeOf)).toEqual(["PDPM_CLOSED unknown"]);
  expect((await unsent).map(codeOf)).toEqual(["PDPM_CLOSED not-applied"]);
  clock.advance(250);
  await closed;
  expect(clock.isAwaited).toBe(false);
  expect((await node.post([at(0, read(0, 8))])).map(codeOf)).toEqual(["PDPM_CLOSED not-applied"]);
  await expect(node.stats()).rejects.toMatchObject({ code: "PDPM_CLOSED" });
  await expect(node.admit()).rejects.toMatchObject({ code: "PDPM_CLOSED" });
});

test("close ends an attempt that is running and one that is waiting", async () => {
  const { node, server } = await pair(new ArrayMemory(4096));
  await server.close();
  await node.close();
  const clock = new TestClock();
  const other = await pair(new ArrayMemory(4096), { clock });
  await other.server.close();
  await vi.waitFor(() => expect(clock.isAwaited).toBe(true));
  await other.node.close();
  expect(clock.isAwaited).toBe(false);
});
