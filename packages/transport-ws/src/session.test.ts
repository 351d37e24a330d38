// The server half's sessions against clients that send nonsense, ask too much, or die.

import { once } from "node:events";
import {
  encodeControl,
  FrameKind,
  messageBytesMost,
  Opcode,
  verbHeaderBytes,
} from "@pdpm/layout/frame";
import { ArrayMemory } from "@pdpm/verbs";
import { afterEach, expect, test } from "vitest";
import {
  admitted,
  flushes,
  frameOf,
  RawClient,
  type RawVerb,
  reads,
  swaps,
  writes,
} from "./contract-client.ts";
import { endAll, serve, soon } from "./contract-scene.ts";
import { SlowMemory } from "./contract-service.ts";
import { askedBytesMost, callsMost } from "./limits.ts";

afterEach(endAll);

function isZero(memory: ArrayMemory): boolean {
  const bytes = new Uint8Array(memory.sizeBytes);
  memory.read(0, bytes);
  return bytes.every((byte) => byte === 0);
}

test("a malformed frame ends the connection with 1002 and a reason, and nothing of it is applied", async () => {
  const memory = new ArrayMemory(4096);
  const { server } = await serve(memory);
  const good = frameOf([1, [writes(0, 64, 0xff)]]);
  const cases: [string, Uint8Array | string][] = [
    ["text", "hello"],
    ["an empty message", new Uint8Array(0)],
    ["an unknown kind", new Uint8Array(16).fill(9)],
    ["a frame of replies", frameOf([1, [writes(0, 64, 0xff)]]).fill(2, 0, 1)],
    ["bytes behind the frame", Buffer.concat([good, new Uint8Array(8)])],
    ["cut", good.subarray(0, good.length - 8)],
    ["cut inside a word", good.subarray(0, good.length - 1)],
    [
      "an unknown opcode behind a good round",
      spoil(
        [
          [1, [writes(0, 64, 1)]],
          [2, [reads(0, 8)]],
        ],
        9,
      ),
    ],
    [
      "a length beyond the frame",
      spoil(
        [
          [1, [writes(0, 64, 1)]],
          [2, [reads(0, 8)]],
        ],
        2,
      ),
    ],
  ];
  for (const [name, frame] of cases) {
    const client = await admitted(server.url);
    client.socket.send(frame);
    expect(await client.closed, name).toMatch(/^1002 (malformed frame: .+|a text)/);
    expect(isZero(memory), name).toBe(true);
  }
});

test("a good frame in a text message is malformed, too", async () => {
  const memory = new ArrayMemory(4096);
  const { server } = await serve(memory);
  const client = await admitted(server.url);
  client.socket.send(frameOf([1, [writes(0, 64, 0x41)]]), { binary: false });
  expect(await client.closed).toBe("1002 malformed frame: a text message is no frame");
  expect(isZero(memory)).toBe(true);
});

/** A frame whose last verb, a read, has another opcode. */
function spoil(parts: [number, RawVerb[]][], opcode: number): Uint8Array {
  const frame = frameOf(...parts);
  frame[frame.length - verbHeaderBytes] = opcode;
  // For a write: a length that the frame does not hold.
  if (opcode === Opcode.write) frame[frame.length - verbHeaderBytes + 6] = 1;
  return frame;
}

test("rounds must be numbered one after the other, so a frame that comes twice is applied once", async () => {
  const memory = new ArrayMemory(4096);
  const { server, service } = await serve(memory);
  const client = await admitted(server.url);
  const frame = frameOf([1, [swaps(0, 0n, 1n)]]);
  client.socket.send(frame);
  client.socket.send(frame);
  expect(await client.closed).toBe("1002 malformed frame: round 1 instead of 2");
  expect(service.applied.swaps).toBe(1);
  const other = await admitted(server.url);
  other.send([1, [writes(0, 8, 7)]], [3, [writes(0, 8, 8)]]);
  expect(await other.closed).toBe("1002 malformed frame: round 3 instead of 2");
  expect(service.applied.writes).toBe(0);
});

test("hello comes first, and verbs need an admitted client id", async () => {
  const memory = new ArrayMemory(4096);
  const { server } = await serve(memory);
  const early = new RawClient(server.url);
  await once(early.socket, "open");
  early.socket.send(encodeControl(FrameKind.call, "stats", 1, {}));
  expect(await early.closed).toBe("1008 hello comes first");
  const nobody = new RawClient(server.url);
  await nobody.hello();
  nobody.send([1, [writes(0, 8, 1)]]);
  expect(await nobody.closed).toBe("1008 verbs need an admitted client id");
  const stranger = new RawClient(server.url);
  await once(stranger.socket, "open");
  stranger.send([1, [writes(0, 8, 1)]]);
  expect(await stranger.closed).toBe("1008 verbs need an admitted client id");
  expect(isZero(memory)).toBe(true);
});

test("a message larger than a frame may be ends the connection with 1009", async () => {
  const { server } = await serve(new ArrayMemory(4096));
  const client = await admitted(server.url);
  client.socket.send(new Uint8Array(messageBytesMost + 1));
  expect(await client.closed).toMatch(/^1009/);
});

test("a message in many fragments ends the connection", async () => {
  const { server } = await serve(new ArrayMemory(4096));
  const client = await admitted(server.url);
  for (let i = 0; i < 40; i += 1) client.socket.send(new Uint8Array(8), { fin: false });
  expect(await client.closed).toMatch(/^1008/);
});

test("who asks for more at once than a connection may hold is cut off before a byte moves", async () => {
  const memory = new ArrayMemory(2 ** 21);
  const { server, service } = await serve(memory);
  const client = await admitted(server.url);
  const count = askedBytesMost / 2 ** 20 + 1;
  client.send([1, Array.from({ length: count }, () => reads(0, 2 ** 20))]);
  expect(await client.closed).toMatch(/^1008 \d+ bytes asked for at once/);
  expect(service.applied.reads).toBe(0);
});

test("a client that never reads is cut off when it is owed too much", async () => {
  const { server } = await serve(new ArrayMemory(2 ** 21));
  const client = await admitted(server.url);
  client.socket.pause();
  let isClosed = false;
  void client.closed.then(() => {
    isClosed = true;
  });
  for (let round = 1; round <= 200 && !isClosed; round += 1) {
    client.send([round, [reads(0, 2 ** 20)]]);
    await new Promise((resolve) => setImmediate(resolve));
  }
  client.socket.resume();
  expect(await client.closed).toMatch(/^(1008|1006)/);
});

test("flushes that wait are owed, too: their number is bounded", async () => {
  const memory = new SlowMemory(4096);
  const { server } = await serve(memory);
  const client = await admitted(server.url);
  const batch = 4000;
  let round = 1;
  for (let frame = 0; frame < 40; frame += 1) {
    const parts: [number, RawVerb[]][] = [];
    for (let i = 0; i < batch; i += 1, round += 1) parts.push([round, [flushes(0, 8)]]);
    client.send(...parts);
  }
  expect(await client.closed).toMatch(/^1008 \d+ bytes asked for at once/);
  expect(memory.flushes).toBeLessThan(askedBytesMost / 200);
  memory.release();
});

test("a read does not wait for the flush of another round", async () => {
  const memory = new SlowMemory(4096);
  const { server } = await serve(memory);
  const client = await admitted(server.url);
  client.send([1, [writes(0, 8, 5), flushes(0, 8), reads(0, 8)]], [2, [reads(0, 8)]]);
  await soon(() => expect(client.replies).toEqual(["1: done", "2: 5x8"]));
  client.send([3, [writes(0, 8, 6)]]);
  await soon(() => expect(client.replies.at(-1)).toBe("3: done"));
  memory.release();
  // The read behind the flush came after it: it saw the later write.
  await soon(() => expect(client.replies.at(-1)).toBe("1: done 6x8"));
});

test("the rest of a round that comes in parts waits for a flush in an earlier part", async () => {
  const memory = new SlowMemory(4096);
  const { server } = await serve(memory);
  const client = await admitted(server.url);
  client.send([1, [flushes(0, 8)], true]);
  client.send([1, [writes(0, 8, 9)], true], [1, [writes(8, 8, 9)]], [2, [reads(0, 8)]]);
  await soon(() => expect(client.replies).toEqual(["2: 0x8"]));
  memory.release();
  await soon(() => expect(client.replies.at(-1)).toBe("1: done done done"));
});

test("what stands behind a flush is dropped when the client is gone meanwhile", async () => {
  const memory = new SlowMemory(4096);
  const { server, service } = await serve(memory);
  const client = await admitted(server.url, 5);
  client.send([1, [flushes(0, 8), writes(0, 8, 9)]], [2, [flushes(0, 8)], true]);
  client.send([2, [writes(8, 8, 9)]]);
  await soon(() => expect(memory.flushes).toBe(2));
  const session = service.connections.get(5);
  client.socket.terminate();
  await soon(() => expect(session?.isEnded).toBe(true));
  memory.release();
  await session?.gone;
  expect(isZero(memory.inner)).toBe(true);
  expect(service.applied.writes).toBe(0);
});

test("end settles only when the flushes in flight have ended, and nothing is applied afterwards", async () => {
  const memory = new SlowMemory(4096);
  const { server, service } = await serve(memory);
  const client = await admitted(server.url, 5);
  client.send([1, [flushes(0, 8), writes(0, 8, 9)]]);
  await soon(() => expect(memory.flushes).toBe(1));
  let isFenced = false;
  const fence = service.fence(5).then(() => {
    isFenced = true;
  });
  client.send([2, [writes(64, 8, 9)]]);
  expect(await client.closed).toBe("4001 it was fenced");
  expect(isFenced).toBe(false);
  memory.release();
  await fence;
  expect(isZero(memory.inner)).toBe(true);
});

test("a client that lets too many calls wait is cut off", async () => {
  const memory = new SlowMemory(4096);
  const { server } = await serve(memory);
  const victim = await admitted(server.url, 5);
  victim.send([1, [flushes(0, 8)]]);
  await soon(() => expect(memory.flushes).toBe(1));
  const client = await admitted(server.url, 6);
  for (let call = 0; call <= callsMost; call += 1) {
    client.socket.send(encodeControl(FrameKind.call, "fence", 100 + call, { id: 5 }));
  }
  expect(await client.closed).toBe(`1008 more than ${callsMost} calls at once`);
  memory.release();
});

test("one connection carries one id: a second admission is refused", async () => {
  const { server } = await serve(new ArrayMemory(4096));
  const client = await admitted(server.url, 5);
  await expect(client.call("admit", { id: 6 })).rejects.toThrow(
    "a connection carries one client id",
  );
});

test("refused verbs name their reason, and their neighbours are applied", async () => {
  const memory = new ArrayMemory(4096);
  const { server, service } = await serve(memory);
  const client = await admitted(server.url);
  const refused = "PDPM_INVALID_ARGUMENT";
  client.send([
    1,
    [
      writes(0, 8, 1),
      reads(4090, 8),
      reads(2 ** 60, 8),
      swaps(4, 0n, 1n),
      writes(4095, 2, 1),
      flushes(0, 4097),
      reads(0, 0),
      reads(0, 2 ** 32 - 1),
      reads(0, 8),
    ],
  ]);
  const expected = ["1: done", ...Array(7).fill(refused), "1x8"].join(" ");
  await soon(() => expect(client.replies).toEqual([expected]));
  expect(service.applied.snapshot()).toMatchObject({ reads: 1, writes: 1, swaps: 0, flushes: 0 });
});

test("more replies than a frame takes come in several frames, in order", async () => {
  const { server } = await serve(new ArrayMemory(4096));
  const client = await admitted(server.url);
  const half = Array.from({ length: 35_000 }, () => flushes(0, 8));
  client.send([1, half, true]);
  client.send([1, half]);
  const count = (): number =>
    client.replies.reduce((sum, line) => sum + line.split(" ").length - 1, 0);
  await soon(() => expect(count()).toBe(70_000));
});
