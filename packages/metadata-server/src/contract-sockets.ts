// What the tests of the two halves stand on: servers, clients and a proxy on real sockets, which
// end with their test.

import { once } from "node:events";
import { createServer, type Server, Socket } from "node:net";
import { Prng, systemClock } from "@pdpm/base";
import { vi } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { Listener, type ListenerOptions } from "./listener.ts";
import { type RemoteOptions, RemoteService } from "./remote.ts";
import { decodeMessage, type ServerHello, wireVersion } from "./wire.ts";

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

/** What a server says of itself. */
export function helloOf(storeId: string): ServerHello {
  return {
    protocol: wireVersion,
    storeId,
    design: "clover",
    pid: process.pid,
    features: [],
    credential: "",
    memoryNodes: ["ws://127.0.0.1:1"],
  };
}

/** A server on any port, or at `options.at`. */
export async function listen(
  handle: ListenerOptions["handle"],
  options: Partial<ListenerOptions> = {},
): Promise<Listener> {
  const listener = await Listener.start({
    at: { host: "127.0.0.1", port: 0 },
    clock: systemClock,
    hello: helloOf("00000000000000aa"),
    handle,
    ...options,
  });
  atEnd(() => listener.close());
  return listener;
}

/** A client of whatever listens at `url`. */
export async function connect(
  url: string,
  options: Partial<RemoteOptions> = {},
): Promise<RemoteService> {
  const prng = new Prng("remote");
  const remote = await RemoteService.connect({
    url,
    clock: systemClock,
    prng,
    timeoutMs: 5000,
    ...options,
  });
  atEnd(() => remote.close());
  return remote;
}

export function portOf(url: string): number {
  return Number(new URL(url).port);
}

/** Stands between a client and a server, and is told what to lose. */
export class LossyProxy {
  /** Where new connections lead. */
  target: number;
  /** Whether what the server says still arrives. */
  passesReplies = true;
  /** Connections that came. */
  count = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(target: number) {
    this.target = target;
    this.#server = createServer((client) => this.#join(client));
  }

  static async start(target: number): Promise<LossyProxy> {
    const proxy = new LossyProxy(target);
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    atEnd(() => {
      proxy.cut();
      proxy.#server.close();
    });
    return proxy;
  }

  get url(): string {
    const { port } = this.#server.address() as { port: number };
    return `ws://127.0.0.1:${port}`;
  }

  /** Breaks every connection. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
  }

  #join(client: Socket): void {
    this.count += 1;
    const server = new Socket();
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on("error", () => undefined); // Followed by "close".
      socket.on("close", () => {
        client.destroy();
        server.destroy();
      });
    }
    server.connect(this.target, "127.0.0.1");
    client.on("data", (data) => server.write(data));
    server.on("data", (data) => {
      if (this.passesReplies) client.write(data);
    });
  }
}

/** A client that sends what it is told, and keeps what it hears. */
export class RawClient {
  readonly socket: WebSocket;
  readonly messages: (readonly unknown[])[] = [];
  /** `code reason`. */
  readonly closed: Promise<string>;

  constructor(url: string, options: object = {}) {
    this.socket = new WebSocket(url, { perMessageDeflate: false, ...options });
    this.socket.on("error", () => undefined); // Followed by "close".
    this.socket.on("message", (data: Buffer) => {
      const message = decodeMessage(data);
      if (message !== undefined) this.messages.push(message);
    });
    this.closed = new Promise((resolve) => {
      this.socket.once("close", (code, reason) => resolve(`${code} ${reason}`));
    });
    atEnd(() => this.socket.terminate());
  }

  /** Connects and waits for the hello. */
  static async to(url: string, options: object = {}): Promise<RawClient> {
    const client = new RawClient(url, options);
    await soon(() => {
      if (client.messages.length === 0) throw new Error("no hello yet");
    });
    return client;
  }
}

/** A server that does to each connection what the test says. */
export async function rawServer(greet: (socket: WebSocket) => void): Promise<string> {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false });
  await once(server, "listening");
  server.on("connection", (socket) => {
    socket.on("error", () => undefined); // A client that dislikes what it hears.
    greet(socket);
  });
  atEnd(() => {
    for (const client of server.clients) client.terminate();
    server.close();
  });
  return `ws://127.0.0.1:${(server.address() as { port: number }).port}`;
}
