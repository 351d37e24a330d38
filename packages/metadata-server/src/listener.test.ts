// The server half against whoever may connect: what ends a connection, what is bounded, and that
// nothing of a stranger ends the server.

import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect as connectSocket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Clock, systemClock } from "@pdpm/base";
import { afterEach, expect, test } from "vitest";
import { WebSocket } from "ws";
import { atEnd, endAll, listen, portOf, RawClient, soon } from "./contract-sockets.ts";
import type { Listener } from "./listener.ts";
import { callsMost, encodeMessage, messageBytesMost } from "./wire.ts";

afterEach(endAll);

const echo = async (request: unknown): Promise<unknown> => request;
const never = (): Promise<unknown> => new Promise(() => undefined);
const call = (number: unknown, request: unknown): Uint8Array =>
  encodeMessage(["call", number as number, request]);

test("the hello comes first, with the store and the memory nodes", async () => {
  const { url } = await listen(echo);
  const client = await RawClient.to(url);
  expect(client.messages[0]).toEqual([
    "hello",
    expect.objectContaining({
      protocol: 1,
      storeId: "00000000000000aa",
      design: "clover",
      pid: process.pid,
      credential: "",
      memoryNodes: ["ws://127.0.0.1:1"],
    }),
  ]);
});

test("a malformed message ends its connection with 1002, and nobody else's", async () => {
  let handled = 0;
  const { url } = await listen(async () => {
    handled += 1;
  });
  const bystander = await RawClient.to(url);
  const messages: (string | Uint8Array)[] = [
    "text",
    new Uint8Array(0),
    Uint8Array.of(0xc1),
    Uint8Array.of(0xdd, 0xff, 0xff, 0xff, 0xff),
    Uint8Array.of(0x91, 0x91, 0x91),
    encodeMessage("no array" as never),
    encodeMessage([7, 1] as never),
    encodeMessage(["shout", 1] as never),
    call(0, 1),
    call(-1, 1),
    call(1.5, 1),
    call("1", 1),
    call(null, 1),
    call(2 ** 53, 1),
    encodeMessage(["pulse", "me"] as never),
    encodeMessage(["call"] as never),
    new Uint8Array(1000).fill(0x91),
    Uint8Array.of(...call(1, 1), 0x00),
  ];
  for (const message of messages) {
    const client = await RawClient.to(url);
    client.socket.send(message, { binary: typeof message !== "string" });
    // What comes behind it in one piece is not heard either.
    client.socket.send(call(1, 1), { binary: true });
    expect(await client.closed).toMatch(/^1002 /);
  }
  expect(handled).toBe(0);
  bystander.socket.send(call(1, 1), { binary: true });
  await soon(() => expect(bystander.messages).toHaveLength(2));
});

test("a message that is too large is not taken in", async () => {
  const { url } = await listen(echo);
  const client = await RawClient.to(url);
  client.socket.send(new Uint8Array(messageBytesMost + 1), { binary: true });
  expect(await client.closed).toMatch(/^1009 /);
});

test("what a handler throws, or answers that cannot travel, is a failure of its call alone", async () => {
  const { url } = await listen((request) => {
    if (request === "throw") throw new Error("at once");
    if (request === "reject") return Promise.reject(undefined);
    if (request === "function") return Promise.resolve(() => 1);
    if (request === "symbol") return Promise.resolve({ a: Symbol("b") });
    if (request === "large") return Promise.resolve(new Uint8Array(messageBytesMost));
    return Promise.resolve(request);
  });
  const client = await RawClient.to(url);
  const requests = ["throw", "reject", "function", "symbol", "large", "fine"];
  for (const [index, request] of requests.entries()) {
    client.socket.send(call(index + 1, request), { binary: true });
  }
  await soon(() => expect(client.messages).toHaveLength(requests.length + 1));
  const answers = new Map(client.messages.slice(1).map((message) => [message[1], message]));
  for (const number of [1, 2]) {
    expect(answers.get(number)).toMatchObject(["no", number, "PDPM_UNAVAILABLE", {}, "unknown"]);
  }
  expect(answers.get(5)?.slice(0, 3)).toEqual(["no", 5, "PDPM_INVALID_ARGUMENT"]);
  expect(answers.get(6)).toEqual(["ok", 6, "fine"]);
  expect(client.socket.readyState).toBe(WebSocket.OPEN);
});

test("calls at once are bounded, per connection", async () => {
  let running = 0;
  const { url } = await listen(() => {
    running += 1;
    return never();
  });
  const client = await RawClient.to(url);
  const other = await RawClient.to(url);
  for (let i = 1; i <= 2 * callsMost + 1; i += 1) client.socket.send(call(i, 1), { binary: true });
  expect(await client.closed).toMatch(/^1008 over 8192 calls/);
  expect(running).toBe(2 * callsMost);
  other.socket.send(call(1, 1), { binary: true });
  await soon(() => expect(running).toBe(2 * callsMost + 1));
});

test("who asks and never reads is cut off before its answers fill the memory", async () => {
  const large = new Uint8Array(2 ** 20);
  let answered = 0;
  const listener = await listen(async () => {
    answered += 1;
    return large;
  });
  const client = await RawClient.to(listener.url);
  client.socket.pause();
  for (let i = 1; i <= 500; i += 1) client.socket.send(call(i, 1), { binary: true });
  // The requests behind the one at which it is cut off are not read any more.
  await soon(() => expect(answered).toBeGreaterThan(64));
  client.socket.resume();
  expect(await client.closed).toMatch(/^1006/);
  expect(client.messages.length).toBeLessThan(200);
});

test("an Origin is refused before there is a WebSocket, and plain http is told what this is", async () => {
  const { url } = await listen(echo);
  const page = new WebSocket(url, { origin: "http://evil.example" });
  const [error] = await once(page, "error");
  expect(String(error)).toMatch("403");
  expect((await fetch(url.replace("ws:", "http:"))).status).toBe(426);
});

test("bytes that are no http end their own connection", async () => {
  const { url } = await listen(echo);
  const socket = connectSocket(portOf(url), "127.0.0.1");
  const ended = once(socket, "close");
  socket.on("error", () => undefined);
  socket.resume();
  socket.write("\x00\x01 nonsense\r\n\r\n");
  await ended;
  await RawClient.to(url);
});

test("a pulse is remembered for its client, and the latest clients are not forgotten for others", async () => {
  let now = 5;
  const clock: Clock = { now: () => now, after: systemClock.after };
  const listener = await listen(echo, { clock });
  const client = await RawClient.to(listener.url);
  expect(listener.heardAt(7)).toBe(0);
  client.socket.send(encodeMessage(["pulse", 7]), { binary: true });
  await soon(() => expect(listener.heardAt(7)).toBe(5));
  now = 6;
  for (let id = 1000; id < 1000 + 65_530; id += 1) {
    client.socket.send(encodeMessage(["pulse", id]), { binary: true });
  }
  client.socket.send(encodeMessage(["pulse", 7]), { binary: true });
  for (let id = 100_000; id < 100_100; id += 1) {
    client.socket.send(encodeMessage(["pulse", id]), { binary: true });
  }
  await soon(() => expect(listener.heardAt(100_099)).toBe(6));
  expect(listener.heardAt(7)).toBe(6);
  expect(listener.heardAt(1000)).toBe(0);
});

test("a client that gives no sign of life is cut off; one that answers pings is not", async () => {
  const { url } = await listen(echo, { keepAliveMs: 60 });
  const dead = await RawClient.to(url, { autoPong: false });
  const idle = await RawClient.to(url);
  expect(await dead.closed).toMatch(/^1006/);
  expect(idle.socket.readyState).toBe(WebSocket.OPEN);
});

test("a port or a path that is taken is PDPM_IN_USE, and one that cannot be is refused", async () => {
  const first = await listen(echo);
  const start = (at: Parameters<typeof listen>[1]): Promise<Listener> => listen(echo, at);
  await expect(start({ at: { host: "127.0.0.1", port: portOf(first.url) } })).rejects.toMatchObject(
    { code: "PDPM_IN_USE" },
  );
  const directory = mkdtempSync(join(tmpdir(), "pdpm-socket-"));
  atEnd(() => rmSync(directory, { recursive: true }));
  writeFileSync(join(directory, "taken"), "");
  await expect(start({ at: { socketPath: join(directory, "taken") } })).rejects.toMatchObject({
    code: "PDPM_IN_USE",
  });
  await expect(start({ at: { socketPath: join(directory, "no", "such") } })).rejects.toMatchObject({
    code: "PDPM_INVALID_ARGUMENT",
  });
});

test("close ends every connection, also of a client that does not answer, and calls under way", async () => {
  const listener = await listen(never);
  const { url } = listener;
  const client = await RawClient.to(url);
  const deaf = await RawClient.to(url);
  client.socket.send(call(1, 1), { binary: true });
  deaf.socket.pause();
  const began = performance.now();
  await listener.close();
  expect(performance.now() - began).toBeLessThan(5000);
  expect(await client.closed).toBe("1001 the metadata server closes");
  expect(await new RawClient(url).closed).toMatch(/^1006/);
}, 20_000);
