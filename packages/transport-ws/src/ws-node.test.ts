// The client half as a whole: a node that goes, comes back, is another one, or fences the client.

import { PdpmError } from "@pdpm/base";
import { ArrayMemory, flush, type Replies, read, write } from "@pdpm/verbs";
import { afterEach, expect, test, vi } from "vitest";
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
import { SlowMemory, TestClock } from "./contract-service.ts";
import { serveMemory } from "./memory-server.ts";

afterEach(endAll);

test("a verb that was answered keeps its reply when the connection breaks behind it", async () => {
  const memory = new SlowMemory(4096);
  const { node, service, id } = await pair(memory);
  const replies = node.post([at(0, write(0, new Uint8Array(8))), at(0, flush(0, 8))]);
  await soon(() => expect(service.applied.writes).toBe(1));
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
  await soon(async () => {
    const replies: Replies | Promise<Replies> = node.post([at(0, read(0, 8))]);
    // Ready at once: no attempt is running.
    expect(replies).toBeInstanceOf(Array);
    expect((await replies).map(codeOf)).toEqual(["PDPM_UNAVAILABLE not-applied"]);
  });
  const again = await serveMemory({ service, host: "127.0.0.1", port: Number(port) });
  atEnd(() => again.close());
  await soon(async () => {
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
  await soon(() => expect(sockets.length).toBe(1));
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
  const { server } = await serve(new ArrayMemory(4096));
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
  await soon(() => expect(onFenced).toHaveBeenCalledTimes(1));
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
  await soon(() => expect(onFenced).toHaveBeenCalledTimes(1));
  expect((await node.post([at(0, read(0, 8))])).map(codeOf)).toEqual(["PDPM_FENCED not-applied"]);
  expect(node.hello.incarnation).toBe(2);
  await node.admit();
  expect((await node.post([at(0, read(0, 8))])).map(codeOf)).toEqual(["a value"]);
});

test("another region under the same address is not written to, by no id", async () => {
  const { node, service, id } = await pair(new ArrayMemory(4096));
  service.regionId = "f".repeat(32);
  await service.connections.get(id)?.end("for the test");
  await soon(() => expect(node.clientId).toBeUndefined());
  const replies = await node.post([at(0, write(0, Uint8Array.of(1)))]);
  expect(replies.map(codeOf)).toEqual(["PDPM_WRONG_STORE not-applied"]);
  await expect(node.admit()).rejects.toMatchObject({ code: "PDPM_WRONG_STORE" });
});

test("an attempt that ends without admission leaves no connection behind", async () => {
  const backoff = { firstMs: 5, mostMs: 20 };
  const { node, service, server, id } = await pair(new ArrayMemory(4096), { backoff });
  let attempts = 0;
  service.admit = async () => {
    attempts += 1;
    throw new PdpmError("PDPM_NO_SPACE", "for the test");
  };
  await service.connections.get(id)?.end("for the test");
  await soon(() => expect(attempts).toBeGreaterThan(3));
  await soon(() => expect(server.connections).toBeLessThan(2));
  const replies = node.post([at(0, read(0, 8))]);
  expect((await replies).map(codeOf)).toEqual(["PDPM_NO_SPACE not-applied"]);
  await node.close();
  await soon(() => expect(server.connections).toBe(0));
});

test("another id takes another connection: rounds of the old one are given up", async () => {
  const memory = new SlowMemory(4096);
  const { node, service, id } = await pair(memory);
  const old = node.post([at(0, flush(0, 8))]);
  await soon(() => expect(memory.flushes).toBe(1));
  const session = service.connections.get(id);
  expect(await node.admit(9)).toBe(9);
  expect((await old).map(codeOf)).toEqual(["PDPM_FENCED unknown"]);
  await soon(() => expect(session?.isEnded).toBe(true));
  expect((await node.post([at(0, read(0, 8))])).map(codeOf)).toEqual(["a value"]);
  memory.release();
});

test("another id takes another connection than the one that is just asking for the old id", async () => {
  const { node, service, id } = await pair(new ArrayMemory(4096));
  const { admit } = service;
  let goOn = (): void => undefined;
  const isHeld = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  const asked: (number | undefined)[] = [];
  service.admit = async (connection, wanted) => {
    asked.push(wanted);
    if (wanted === id) await isHeld;
    return admit.call(service, connection, wanted);
  };
  await service.connections.get(id)?.end("for the test");
  await soon(() => expect(asked).toEqual([id]));
  const other = node.admit(9);
  goOn();
  expect(await other).toBe(9);
  expect(asked).toEqual([id, 9]);
  expect((await node.post([at(0, read(0, 8))])).map(codeOf)).toEqual(["a value"]);
});

test("after an admission that was answered too late another one is possible", async () => {
  const { service, server } = await serve(new ArrayMemory(4096));
  const node = await connect(server.url, { callTimeoutMs: 50 });
  const { admit } = service;
  let answered = 0;
  service.admit = async (connection, wanted) => {
    service.admit = admit;
    await new Promise((resolve) => setTimeout(resolve, 100));
    answered += 1;
    return admit.call(service, connection, wanted);
  };
  await expect(node.admit()).rejects.toMatchObject({ code: "PDPM_TIMEOUT" });
  await soon(() => expect(answered).toBe(1));
  expect(await node.admit()).toBe(2);
  expect((await node.post([at(0, read(0, 8))])).map(codeOf)).toEqual(["a value"]);
});

test("close does not wait for a node that does not say goodbye, and answers what is in flight", async () => {
  const clock = new TestClock();
  const { url, received } = await fakeNode((socket) => socket.pause());
  const node = await connect(url, { clock });
  await node.admit();
  const sent = node.post([at(0, read(0, 8))]);
  await soon(() => expect(received()).toBeGreaterThan(0));
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
  // Refused at once: no attempt is running, the next one waits.
  await soon(() => expect(other.node.post([at(0, read(0, 8))])).toBeInstanceOf(Array));
  expect(clock.isAwaited).toBe(true);
  await other.node.close();
  expect(clock.isAwaited).toBe(false);
});
