// The client half on real sockets: what it sends again and what it does not, whom it believes, and
// how it ends.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PdpmError } from "@pdpm/base";
import { afterEach, expect, test } from "vitest";
import {
  atEnd,
  connect,
  endAll,
  helloOf,
  LossyProxy,
  listen,
  portOf,
  rawServer,
  soon,
} from "./contract-sockets.ts";
import { callsMost, encodeMessage, messageBytesMost } from "./wire.ts";

afterEach(endAll);

const echo = async (request: unknown): Promise<unknown> => request;
const never = (): Promise<unknown> => new Promise(() => undefined);
/** A change as a client sends it. */
const change = { ticket: { client: 3, slot: 7, sequence: 12 }, change: { do: "press" } };

test("words, bytes, numbers and nothing come back as they were", async () => {
  const { url } = await listen(echo);
  const remote = await connect(url);
  const request = {
    words: [0n, 5n, 2n ** 53n + 1n, 2n ** 63n - 1n, 2n ** 64n - 1n],
    numbers: [0, -1, 2 ** 32, Number.MAX_SAFE_INTEGER, 0.5],
    bytes: Uint8Array.of(0, 255),
    none: [null, undefined, "", "text \u00e9"],
  };
  const reply = (await remote.call(request, true)) as typeof request;
  expect({ ...reply, bytes: Uint8Array.from(reply.bytes) }).toEqual(request);
  expect(await remote.call(null, true)).toBeNull();
});

test("an error arrives with its code, text and outcome", async () => {
  const { url } = await listen(async (request) => {
    if (request === "plain") throw new Error("a bug");
    throw new PdpmError("PDPM_CONFLICT", "not so", { outcome: "unknown" });
  });
  const remote = await connect(url);
  const failure = { code: "PDPM_CONFLICT", text: "not so", outcome: "unknown" };
  await expect(remote.call("ours", true)).rejects.toMatchObject(failure);
  await expect(remote.call("plain", true)).rejects.toMatchObject({
    code: "PDPM_UNAVAILABLE",
    outcome: "unknown",
  });
});

test("a change whose reply was lost is sent again, the same, until it is answered", async () => {
  const heard: unknown[] = [];
  const { url } = await listen(async (request) => {
    heard.push(request);
    if (heard.length <= 3) {
      // The server did it, and nobody hears of it: its reply is lost with the connection.
      proxy.passesReplies = false;
      setTimeout(() => {
        proxy.passesReplies = true;
        proxy.cut();
      }, 30);
    }
    return heard.length;
  });
  const proxy = await LossyProxy.start(portOf(url));
  const remote = await connect(proxy.url);
  expect(await remote.call(change, true)).toBe(4);
  expect(heard).toEqual([change, change, change, change]);
  expect(proxy.count).toBe(4);
});

test("what may not be repeated is sent once: unknown when it was, not applied when it was not", async () => {
  let heard = 0;
  const { url } = await listen((request) => {
    heard += 1;
    return request === "hang" ? never() : echo(request);
  });
  const proxy = await LossyProxy.start(portOf(url));
  const remote = await connect(proxy.url);
  const hanging = remote.call("hang", false);
  await soon(() => expect(heard).toBe(1));
  proxy.target = 1; // Nobody there.
  proxy.cut();
  await expect(hanging).rejects.toMatchObject({ code: "PDPM_UNAVAILABLE", outcome: "unknown" });
  await expect(remote.call("late", false)).rejects.toMatchObject({
    code: "PDPM_UNAVAILABLE",
    outcome: "not-applied",
  });
  proxy.target = portOf(url);
  await soon(() => expect(remote.isConnected).toBe(true));
  expect(await remote.call("again", false)).toBe("again");
  expect(heard).toBe(2);
});

test("questions that wait while the server is away are answered by the next one", async () => {
  const first = await listen(never);
  const proxy = await LossyProxy.start(portOf(first.url));
  const remote = await connect(proxy.url);
  const questions = [1, 2, 3].map((number) => remote.call(number, true));
  await first.close();
  await soon(() => expect(remote.isConnected).toBe(false));
  questions.push(remote.call(4, true));
  const second = await listen(echo);
  proxy.target = portOf(second.url);
  expect(await Promise.all(questions)).toEqual([1, 2, 3, 4]);
  expect(await remote.call("new", true)).toBe("new");
});

test("a server that does not answer is PDPM_UNAVAILABLE at the deadline; a late answer is nothing", async () => {
  let answer: (reply: unknown) => void = () => undefined;
  const { url } = await listen((request) =>
    request === "slow" ? new Promise((resolve) => (answer = resolve)) : echo(request),
  );
  const remote = await connect(url, { timeoutMs: 100 });
  const began = performance.now();
  await expect(remote.call("slow", true)).rejects.toMatchObject({
    code: "PDPM_UNAVAILABLE",
    outcome: "unknown",
  });
  expect(performance.now() - began).toBeLessThan(5000);
  answer("late");
  expect(await remote.call("next", true)).toBe("next");
});

test("a server that is gone for longer than the deadline: not applied, for nothing was sent", async () => {
  const { url } = await listen(echo);
  const proxy = await LossyProxy.start(portOf(url));
  const remote = await connect(proxy.url, { timeoutMs: 200 });
  proxy.target = 1;
  proxy.cut();
  await soon(() => expect(remote.isConnected).toBe(false));
  await expect(remote.call(change, true)).rejects.toMatchObject({
    code: "PDPM_UNAVAILABLE",
    outcome: "not-applied",
  });
});

test("another store under the address is PDPM_WRONG_STORE, for good, for whoever waits too", async () => {
  const first = await listen(never);
  const other = await listen(echo, { hello: helloOf("00000000000000bb") });
  const proxy = await LossyProxy.start(portOf(first.url));
  const remote = await connect(proxy.url);
  const waiting = remote.call("question", true);
  proxy.target = portOf(other.url);
  proxy.cut();
  await expect(waiting).rejects.toMatchObject({ code: "PDPM_WRONG_STORE" });
  proxy.target = portOf(first.url);
  await expect(remote.call("later", true)).rejects.toMatchObject({ code: "PDPM_WRONG_STORE" });
  const { count } = proxy;
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(proxy.count).toBe(count);
});

test("what is too large to send is refused at once, and the connection stays", async () => {
  const { url } = await listen(async (request) =>
    request === "much" ? new Uint8Array(messageBytesMost) : request,
  );
  const proxy = await LossyProxy.start(portOf(url));
  const remote = await connect(proxy.url);
  const large = new Uint8Array(messageBytesMost);
  const refusal = { code: "PDPM_INVALID_ARGUMENT", outcome: "not-applied" };
  await expect(remote.call(large, true)).rejects.toMatchObject(refusal);
  // A reply that is too large is told instead of sent.
  await expect(remote.call("much", true)).rejects.toMatchObject({ outcome: "unknown" });
  expect(await remote.call("small", true)).toBe("small");
  expect(proxy.count).toBe(1);
});

test("close tells whoever waits, at once, and the second time does nothing", async () => {
  const { url } = await listen(never);
  const remote = await connect(url);
  const waiting = [remote.call(1, true), remote.call(2, false)].map((call) =>
    call.catch((error: unknown) => error),
  );
  await remote.close();
  for (const failure of await Promise.all(waiting)) {
    expect(failure).toMatchObject({ code: "PDPM_CLOSED", outcome: "unknown" });
  }
  await expect(remote.call(3, true)).rejects.toMatchObject({ code: "PDPM_CLOSED" });
  await remote.close();
});

test("close while the server is away stops trying", async () => {
  const { url } = await listen(echo);
  const proxy = await LossyProxy.start(portOf(url));
  const remote = await connect(proxy.url);
  proxy.target = 1;
  proxy.cut();
  await soon(() => expect(remote.isConnected).toBe(false));
  await remote.close();
  // One that was under way may still reach the proxy.
  await new Promise((resolve) => setTimeout(resolve, 100));
  const { count } = proxy;
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(proxy.count).toBe(count);
});

test("more calls than a server takes at once wait here, and all are answered, in order", async () => {
  let running = 0;
  let most = 0;
  const heard: number[] = [];
  const { url } = await listen(async (request) => {
    running += 1;
    most = Math.max(most, running);
    heard.push(request as number);
    await new Promise(setImmediate);
    running -= 1;
    return request;
  });
  const proxy = await LossyProxy.start(portOf(url));
  const remote = await connect(proxy.url, { timeoutMs: 20_000 });
  const numbers = Array.from({ length: 3 * callsMost }, (_, index) => index);
  const replies = await Promise.all(numbers.map((number) => remote.call(number, false)));
  expect(replies).toEqual(numbers);
  expect(heard).toEqual(numbers);
  expect(most).toBeLessThanOrEqual(2 * callsMost);
  expect(proxy.count).toBe(1);
});

test("calls that a stuck server never answers do not make room for more there", async () => {
  let heard = 0;
  const { url } = await listen(() => {
    heard += 1;
    return never();
  });
  const proxy = await LossyProxy.start(portOf(url));
  const remote = await connect(proxy.url, { timeoutMs: 300 });
  const ask = (): Promise<unknown>[] =>
    Array.from({ length: callsMost }, () => remote.call(1, true).catch((error) => error));
  const first = await Promise.all(ask());
  expect(first[0]).toMatchObject({ code: "PDPM_UNAVAILABLE", outcome: "unknown" });
  const second = await Promise.all(ask());
  expect(second.at(-1)).toMatchObject({ code: "PDPM_UNAVAILABLE", outcome: "not-applied" });
  expect(heard).toBeLessThanOrEqual(callsMost);
  expect(proxy.count).toBe(1);
});

test("a server that is away is tried again and again, but not without pause", async () => {
  const { url } = await listen(echo);
  const proxy = await LossyProxy.start(portOf(url));
  const remote = await connect(proxy.url);
  proxy.target = 1;
  const before = proxy.count;
  proxy.cut();
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(proxy.count - before).toBeGreaterThan(1);
  expect(proxy.count - before).toBeLessThan(30);
  proxy.target = portOf(url);
  await soon(() => expect(remote.isConnected).toBe(true));
});

test("a server that falls silent, its connection open, is given up and connected to again", async () => {
  const heard: unknown[] = [];
  const { url } = await listen(async (request) => {
    heard.push(request);
    return "answer";
  });
  const proxy = await LossyProxy.start(portOf(url));
  const remote = await connect(proxy.url, { keepAliveMs: 50 });
  proxy.passesReplies = false;
  const answer = remote.call(change, true);
  await soon(() => expect(remote.isConnected).toBe(false));
  proxy.passesReplies = true;
  expect(await answer).toBe("answer");
  expect(heard.length).toBeGreaterThan(1);
});

test("nobody there, or nobody who speaks, is PDPM_UNAVAILABLE within the time for it", async () => {
  const silent = await rawServer(() => undefined);
  for (const url of ["ws://127.0.0.1:1", silent, "/nowhere/metadata.sock"]) {
    const began = performance.now();
    await expect(connect(url, { connectTimeoutMs: 100 })).rejects.toMatchObject({
      code: "PDPM_UNAVAILABLE",
      outcome: "not-applied",
    });
    expect(performance.now() - began).toBeLessThan(5000);
  }
});

test("a hello is looked over before it is believed", async () => {
  const good = helloOf("00000000000000aa");
  const hellos: unknown[] = [
    { ...good, storeId: 7 },
    { ...good, storeId: "no hexadecimal" },
    { ...good, design: "direct" },
    { ...good, memoryNodes: "ws://127.0.0.1:1" },
    { ...good, memoryNodes: [7] },
    { ...good, pid: "1" },
    { ...good, features: null },
    { ...good, credential: "password" },
    null,
    "hello",
  ];
  for (const hello of hellos) {
    const url = await rawServer((socket) => socket.send(encodeMessage(["hello", hello as never])));
    await expect(connect(url)).rejects.toMatchObject({ code: "PDPM_UNSUPPORTED" });
  }
  const later = await rawServer((socket) =>
    socket.send(encodeMessage(["hello", { ...good, protocol: 99 }])),
  );
  await expect(connect(later)).rejects.toThrow(/PDPM_UNSUPPORTED: .*protocol 99/);
});

test("nonsense from a server ends the connection, never the client", async () => {
  const nonsense: (string | Uint8Array)[] = [
    "text",
    new Uint8Array(0),
    Uint8Array.of(0xc1),
    Uint8Array.of(0x93, 0xa2, 0x6f, 0x6b),
    encodeMessage(["ok", "1", 2] as never),
    encodeMessage(["what", 1] as never),
    encodeMessage(["hello", helloOf("00000000000000aa")]),
    new Uint8Array(messageBytesMost + 1),
  ];
  let connections = 0;
  const url = await rawServer((socket) => {
    socket.send(encodeMessage(["hello", helloOf("00000000000000aa")]));
    const next = nonsense[connections];
    connections += 1;
    socket.on("message", () => {
      if (next !== undefined) socket.send(next, { binary: typeof next !== "string" });
      else socket.send(encodeMessage(["ok", 1, "sane"]));
    });
  });
  const remote = await connect(url, { timeoutMs: 20_000 });
  expect(await remote.call("question", true)).toBe("sane");
  expect(connections).toBe(nonsense.length + 1);
});

test("a server at a socket's path is reached like one at a port", async () => {
  const directory = mkdtempSync(join(tmpdir(), "pdpm a:b%20\u00e4-"));
  atEnd(() => rmSync(directory, { recursive: true }));
  const socketPath = join(directory, "metadata.sock");
  const first = await listen(echo, { at: { socketPath } });
  expect(first.url).toBe(socketPath);
  const remote = await connect(socketPath);
  expect(await remote.call(change, true)).toEqual(change);
  await first.close();
  await soon(() => expect(remote.isConnected).toBe(false));
  await listen(async () => "second", { at: { socketPath } });
  expect(await remote.call(change, true)).toBe("second");
});
