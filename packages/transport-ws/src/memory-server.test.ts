// The server half's connections: who gets one, and when it ends.

import { once } from "node:events";
import { connect as connectSocket } from "node:net";
import { ArrayMemory } from "@pdpm/verbs";
import { afterEach, expect, test } from "vitest";
import { WebSocket } from "ws";
import { admitted, flushes, RawClient, writes } from "./contract-client.ts";
import { endAll, serve, soon } from "./contract-scene.ts";
import { SlowMemory, TestClock } from "./contract-service.ts";

afterEach(endAll);

test("an Origin is refused before there is a WebSocket, and plain http is told what this is", async () => {
  const { server } = await serve(new ArrayMemory(4096));
  const page = new WebSocket(server.url, { origin: "http://evil.example" });
  const [error] = await once(page, "error");
  expect(String(error)).toMatch("403");
  const response = await fetch(server.url.replace("ws:", "http:"));
  expect(response.status).toBe(426);
});

test("connections are counted, and one too many is refused", async () => {
  const { server } = await serve(new ArrayMemory(4096), { connectionsMost: 2 });
  const one = await admitted(server.url);
  await admitted(server.url);
  expect(server.connections).toBe(2);
  const third = new WebSocket(server.url);
  const [error] = await once(third, "error");
  expect(String(error)).toMatch("503");
  one.socket.close();
  await one.closed;
  await soon(() => expect(server.connections).toBe(1));
  await admitted(server.url);
});

test("a connection that says no hello in time is ended", async () => {
  const clock = new TestClock();
  const { server } = await serve(new ArrayMemory(4096), { clock, handshakeTimeoutMs: 5000 });
  const silent = new RawClient(server.url);
  const known = new RawClient(server.url);
  await Promise.all([once(silent.socket, "open"), known.hello()]);
  clock.advance(5000);
  expect(await silent.closed).toBe("1008 no hello in time");
  expect(known.socket.readyState).toBe(WebSocket.OPEN);
});

test("a client that gives no sign of life is cut off; one that answers pings is not", async () => {
  const clock = new TestClock();
  const options = { clock, keepAliveMs: 1000, handshakeTimeoutMs: 1e9 };
  const { server } = await serve(new ArrayMemory(4096), options);
  const dead = new RawClient(server.url, { autoPong: false });
  const idle = new RawClient(server.url);
  await Promise.all([dead.hello(), idle.hello()]);
  for (let tick = 0; tick < 4; tick += 1) {
    const pinged = once(idle.socket, "ping");
    clock.advance(1000);
    await pinged;
    // The pong is taken in before the next tick.
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  expect(await dead.closed).toMatch(/^1006/);
  expect(idle.socket.readyState).toBe(WebSocket.OPEN);
});

test("a socket that never speaks http is closed in time", async () => {
  const { server } = await serve(new ArrayMemory(4096), { handshakeTimeoutMs: 100 });
  const socket = connectSocket(Number(new URL(server.url).port), "127.0.0.1");
  socket.resume();
  await once(socket, "close");
});

test("a socket that never speaks http does not keep the server from closing", async () => {
  const { server } = await serve(new ArrayMemory(4096));
  const { port } = new URL(server.url);
  const socket = connectSocket(Number(port), "127.0.0.1");
  await once(socket, "connect");
  await server.close();
  socket.destroy();
});

test("the server has closed when the flushes in flight have ended", async () => {
  const memory = new SlowMemory(4096);
  const { server } = await serve(memory);
  const client = await admitted(server.url);
  client.send([1, [flushes(0, 8), writes(0, 8, 9)]]);
  await soon(() => expect(memory.flushes).toBe(1));
  let isClosed = false;
  const closing = server.close().then(() => {
    isClosed = true;
  });
  expect(await client.closed).toBe("1001 the memory node closes");
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(isClosed).toBe(false);
  memory.release();
  await closing;
  expect(memory.inner.compareAndSwap(0, 0n, 0n)).toBe(0n);
});
