// Rounds on their way: how they share frames and the window, and what becomes of them when a
// connection breaks or the node answers nonsense.

import type { Socket } from "node:net";
import { PdpmError } from "@pdpm/base";
import {
  FrameKind,
  failureTextBytesMost,
  frameHeaderBytes,
  putFrameHeader,
  putPartHeader,
  putReplyHeader,
  statusNumber,
} from "@pdpm/layout/frame";
import {
  ArrayMemory,
  call,
  compareAndSwap,
  flush,
  Post,
  pause,
  read,
  Verb,
  write,
} from "@pdpm/verbs";
import { afterEach, expect, test } from "vitest";
import type { WebSocket } from "ws";
import { at, atEnd, codeOf, connect, endAll, fakeNode, pair, soon } from "./contract-scene.ts";
import { SlowMemory } from "./contract-service.ts";
import type { FrameBuffer } from "./frame-buffer.ts";
import { inFlightBytesMost } from "./limits.ts";
import { RoundWindow } from "./round-window.ts";
import { VerbCounter } from "./verb-counter.ts";

afterEach(endAll);

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
  atEnd(() => clearInterval(going));
  const replies = await node.post(posts);
  expect(replies.length).toBe(posts.length);
  const values = replies.slice(-count) as Uint8Array[];
  expect(values.map((value) => [value[0], value.at(-1), value.length])).toEqual(
    values.map((_, i) => [i + 1, i + 1, 2 ** 20]),
  );
});

test("posts that no frame can express are refused in their place, and their neighbours go on", async () => {
  const memory = new ArrayMemory(8 * 2 ** 20);
  const { node } = await pair(memory);
  const crooked = (verb: Verb, bytes: number): Post =>
    at(64, new Post(verb, 0, bytes, new Uint8Array(8), 0n, 0n, "", undefined));
  const strange: Post[] = [
    call("server", {}),
    pause(5),
    ...[Number.NaN, 1.5, -8, 2 ** 32, 2 ** 32 + 8].map((bytes) => crooked(Verb.read, bytes)),
    ...[-8, 2 ** 32 + 8].map((bytes) => crooked(Verb.flush, bytes)),
    at(
      64,
      new Post(Verb.write, 0, 2 ** 21, new Uint8Array(2 ** 21).fill(9), 0n, 0n, "", undefined),
    ),
    ...[Number.NaN, -8, 64.5, 2 ** 53, Number.POSITIVE_INFINITY].map((offset) =>
      at(offset, write(0, new Uint8Array(8).fill(9))),
    ),
  ];
  for (const post of strange) {
    const replies = await node.post([at(0, write(0, Uint8Array.of(5))), post, at(0, read(0, 1))]);
    expect([replies[0], replies[2]]).toEqual([undefined, Uint8Array.of(5)]);
    const what = `verb ${post.verb}, ${post.bytes} bytes at ${post.offset}`;
    expect(codeOf(replies[1]), what).toBe("PDPM_INVALID_ARGUMENT not-applied");
  }
  const image = new Uint8Array(memory.sizeBytes);
  memory.read(0, image);
  expect(image.findLastIndex((byte) => byte !== 0)).toBe(0);
  expect(node.counters.connections).toBe(1);
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

test("one round more than may wait is PDPM_BUSY, and the others still leave", async () => {
  const window = new RoundWindow(new VerbCounter(), 3);
  const waiting = [1, 2, 3].map(() => window.post([at(0, read(0, 8))]));
  const [busy] = await window.post([at(0, read(0, 8))]);
  expect(codeOf(busy)).toBe("PDPM_BUSY not-applied");
  const frames: FrameBuffer[] = [];
  window.attach({ send: (frame) => void frames.push(frame) });
  await new Promise((resolve) => setImmediate(resolve));
  expect(frames.map(({ parts }) => parts)).toEqual([3]);
  window.fail(new PdpmError("PDPM_UNAVAILABLE", "for the test"));
  expect((await Promise.all(waiting)).flat().map(codeOf)).toEqual(
    Array(3).fill("PDPM_UNAVAILABLE unknown"),
  );
});

test("no more than the window is in flight; when the connection breaks, what was sent is unknown and what was not is not-applied", async () => {
  const sockets: WebSocket[] = [];
  const { url, received } = await fakeNode((socket) => void sockets.push(socket));
  const node = await connect(url);
  await node.admit();
  const data = new Uint8Array(2 ** 20);
  const partly = node.post(Array.from({ length: 20 }, () => at(0, write(0, data))));
  const behind = node.post([at(0, read(0, 8))]);
  await soon(() => expect(received()).toBeGreaterThan(7 * 2 ** 20));
  expect(received()).toBeLessThanOrEqual(inFlightBytesMost);
  sockets[0]?.terminate();
  const replies = (await partly).map(codeOf);
  expect(replies.slice(0, 7)).toEqual(Array(7).fill("PDPM_UNAVAILABLE unknown"));
  expect(replies.slice(7)).toEqual(Array(13).fill("PDPM_UNAVAILABLE not-applied"));
  expect((await behind).map(codeOf)).toEqual(["PDPM_UNAVAILABLE not-applied"]);
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
    await soon(() => expect(closes[0], name).toMatch(/^1002 malformed frame: /));
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

test("nothing counts that comes behind nonsense", async () => {
  const { url } = await fakeNode((socket) => {
    // Both in one piece, so that the client has read the second when it meets the first.
    const { _socket: wire } = socket as unknown as { _socket: Socket };
    wire.cork();
    socket.send("hello");
    socket.send(replyFrame(1, 8));
    wire.uncork();
  });
  const node = await connect(url);
  await node.admit();
  const replies = await node.post([at(0, read(0, 8))]);
  expect(replies.map(codeOf)).toEqual(["PDPM_UNAVAILABLE unknown"]);
});

test("swaps and writes with replies of a wrong size are nonsense, too", async () => {
  for (const [post, bytes] of [
    [compareAndSwap(0, 0n, 1n), 0],
    [write(0, new Uint8Array(8)), 8],
  ] as const) {
    const { url } = await fakeNode((socket) => socket.send(replyFrame(1, bytes)));
    const node = await connect(url);
    await node.admit();
    expect((await node.post([at<unknown>(0, post)])).map(codeOf)).toEqual([
      "PDPM_UNAVAILABLE unknown",
    ]);
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

test("a long text is cut to what a reply may carry", async () => {
  const memory = new ArrayMemory(4096);
  memory.read = () => {
    throw new PdpmError("PDPM_CORRUPT", "x".repeat(1000));
  };
  const { node } = await pair(memory);
  const [reply] = await node.post([at(0, read(0, 64))]);
  expect(reply).toMatchObject({ code: "PDPM_CORRUPT", text: "x".repeat(failureTextBytesMost) });
});
