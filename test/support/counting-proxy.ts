// A TCP proxy between ws clients and a memory node, or a metadata server, that counts what passes.
// A second witness: it reads RFC 6455 and FORMAT.md section 8 by itself and shares no code with the
// transport.

import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** FORMAT.md section 8: the first byte of a message. */
const kinds = { rounds: 1, replies: 2 };
/** How a call to a metadata server begins: MessagePack's array of three, a text of four. */
const callHead = Buffer.from("\x93\xa4call", "latin1");
/**
 * The field that says what is asked for: "do" of a change, "ask" of a question, "op" of what a
 * coordinator is asked. A short text follows.
 */
const callName = /(?:\xa2do|\xa3ask|\xa2op)[\xa1-\xbf]([a-zA-Z]+)/;
const opcodes = { write: 2, compareAndSwap: 3 };

/** What passed so far. */
export interface Passed {
  /** Messages that carry rounds, and what is in them. */
  readonly requestFrames: number;
  readonly rounds: number;
  readonly verbs: number;
  readonly replyFrames: number;
  /** Verbs that a reply came for. */
  readonly answered: number;
  /** Payload bytes of those messages, both ways; control calls are left out. */
  readonly payloadBytes: number;
  /** Calls to a metadata server. */
  readonly calls: number;
}

/** Calls by what they ask for. */
export type CallCounts = ReadonlyMap<string, number>;

/** One proxy in front of one memory node. */
export class CountingProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #passed = {
    requestFrames: 0,
    rounds: 0,
    verbs: 0,
    replyFrames: 0,
    answered: 0,
    payloadBytes: 0,
    calls: 0,
  };
  readonly #calls = new Map<string, number>();

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(targetHost: string): Promise<CountingProxy> {
    const { hostname, port } = new URL(`tcp://${targetHost}`);
    const server = createServer();
    const proxy = new CountingProxy(server);
    server.on("connection", (client) => {
      const node = connect({ host: hostname, port: Number(port), noDelay: true });
      client.setNoDelay(true);
      proxy.#pass(client, node, (message) => proxy.#request(message));
      proxy.#pass(node, client, (message) => proxy.#reply(message));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return proxy;
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** A copy. */
  get passed(): Passed {
    return { ...this.#passed };
  }

  /** Calls to a metadata server since `before`, by what they ask for. */
  callsSince(before: CallCounts = new Map()): CallCounts {
    const since = [...this.#calls].map(
      ([name, count]) => [name, count - (before.get(name) ?? 0)] as const,
    );
    return new Map(since.filter(([, count]) => count > 0));
  }

  async close(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #pass(from: Socket, to: Socket, take: (message: Buffer) => void): void {
    this.#sockets.add(from);
    const messages = new MessageReader(take);
    from.on("data", (bytes: Buffer) => {
      messages.push(bytes);
      to.write(bytes);
    });
    from.on("error", () => to.destroy());
    from.on("close", () => {
      this.#sockets.delete(from);
      to.destroy();
    });
  }

  #request(message: Buffer): void {
    if (message.subarray(0, callHead.length).equals(callHead)) this.#call(message);
    if (message[0] !== kinds.rounds) return;
    this.#passed.requestFrames += 1;
    this.#passed.payloadBytes += message.length;
    let at = 8;
    for (let parts = message.readUInt32LE(4); parts > 0; parts -= 1) {
      const verbs = message.readUInt16LE(at + 4);
      const isContinued = message.readUInt16LE(at + 6) === 1;
      at += 8;
      for (let i = 0; i < verbs; i += 1) at += verbBytes(message, at);
      this.#passed.verbs += verbs;
      if (!isContinued) this.#passed.rounds += 1;
    }
  }

  #call(message: Buffer): void {
    this.#passed.calls += 1;
    // What names a request stands before what it carries.
    const name = callName.exec(message.toString("latin1"))?.[1] ?? "?";
    this.#calls.set(name, (this.#calls.get(name) ?? 0) + 1);
  }

  #reply(message: Buffer): void {
    if (message[0] !== kinds.replies) return;
    this.#passed.replyFrames += 1;
    this.#passed.payloadBytes += message.length;
    let at = 8;
    for (let parts = message.readUInt32LE(4); parts > 0; parts -= 1) {
      const replies = message.readUInt16LE(at + 4);
      at += 8;
      for (let i = 0; i < replies; i += 1) {
        at += 8 + Math.ceil(message.readUInt32LE(at + 4) / 8) * 8;
      }
      this.#passed.answered += replies;
    }
  }
}

function verbBytes(message: Buffer, at: number): number {
  const opcode = message.readUInt8(at);
  if (opcode === opcodes.write) return 16 + Math.ceil(message.readUInt32LE(at + 4) / 8) * 8;
  return opcode === opcodes.compareAndSwap ? 32 : 16;
}

/** Cuts one direction of a connection into ws messages: HTTP head first, then frames. */
class MessageReader {
  readonly #take: (message: Buffer) => void;
  #rest: Buffer = Buffer.alloc(0);
  #isUpgraded = false;

  constructor(take: (message: Buffer) => void) {
    this.#take = take;
  }

  push(bytes: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    if (!this.#isUpgraded) {
      const end = this.#rest.indexOf("\r\n\r\n");
      if (end < 0) return;
      this.#isUpgraded = true;
      this.#rest = this.#rest.subarray(end + 4);
    }
    while (this.#next());
  }

  /** Takes one frame off what has come; false when it is not complete. */
  #next(): boolean {
    const rest = this.#rest;
    if (rest.length < 2) return false;
    const isMasked = (rest.readUInt8(1) & 0x80) !== 0;
    let length = rest.readUInt8(1) & 0x7f;
    let at = 2;
    if (length === 126) {
      if (rest.length < 4) return false;
      length = rest.readUInt16BE(2);
      at = 4;
    } else if (length === 127) {
      if (rest.length < 10) return false;
      length = Number(rest.readBigUInt64BE(2));
      at = 10;
    }
    const mask = isMasked ? rest.subarray(at, at + 4) : undefined;
    if (isMasked) at += 4;
    if (rest.length < at + length) return false;
    const first = rest.readUInt8(0);
    const isBinary = (first & 0x0f) === 2;
    if ((first & 0x70) !== 0) throw new Error("a ws frame with an extension: nobody asked for one");
    if (isBinary && (first & 0x80) === 0) throw new Error("a message in more than one fragment");
    if (isBinary) {
      const payload = Buffer.from(rest.subarray(at, at + length));
      if (mask)
        for (let i = 0; i < length; i += 1) payload[i] = (payload[i] ?? 0) ^ (mask[i & 3] ?? 0);
      this.#take(payload);
    }
    this.#rest = rest.subarray(at + length);
    return true;
  }
}
