// Connection attempts, control calls and signs of life.

import { once } from "node:events";
import { createServer } from "node:net";
import { encodeControl, FrameKind, frameNumber } from "@pdpm/layout/frame";
import { ArrayMemory, read } from "@pdpm/verbs";
import { afterEach, expect, test } from "vitest";
import type { WebSocket } from "ws";
import {
  at,
  atEnd,
  codeOf,
  connect,
  endAll,
  fakeNode,
  pair,
  serve,
  soon,
} from "./contract-scene.ts";
import { TestClock } from "./contract-service.ts";
import { callsMost } from "./limits.ts";
import { WsNode } from "./ws-node.ts";

afterEach(endAll);

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
  await soon(() => expect(late.length).toBe(1));
  clock.advance(500);
  await failed;
  late[0]?.();
  const second = node.stats();
  await soon(() => expect(late.length).toBe(2));
  late[1]?.();
  expect(await second).toEqual({ pid: 1 });
});

test("calls in flight are unknown when the connection breaks; too many at once are refused", async () => {
  const sockets: WebSocket[] = [];
  const { url } = await fakeNode((socket) => void sockets.push(socket));
  const node = await connect(url);
  const calls = Array.from({ length: callsMost + 1 }, () => node.stats().catch(codeOf));
  expect(await calls[callsMost]).toBe("PDPM_BUSY not-applied");
  await soon(() => expect(sockets.length).toBe(callsMost));
  sockets[0]?.terminate();
  expect(new Set(await Promise.all(calls.slice(0, callsMost)))).toEqual(
    new Set(["PDPM_UNAVAILABLE unknown"]),
  );
});

test("an attempt ends by its deadline, also when the node accepts and says nothing", async () => {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  atEnd(() => server.close());
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
  const { service, server } = await serve(new ArrayMemory(4096));
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
