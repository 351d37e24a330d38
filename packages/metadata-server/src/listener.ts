// The server half: listens for clients, at a port or a Unix socket, and gives their requests to a
// service.
//
// - Who has no business here is refused before there is a WebSocket: a browser (Origin), too many.
// - It keeps no state but when it heard last of each client: that is liveness, not data.
// - A client that gives no sign of life is cut off.

import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { type Clock, PdpmError } from "@pdpm/base";
import { CloseCode, wsLimits } from "@pdpm/transport-ws";
import { type WebSocket, WebSocketServer } from "ws";
import { ServedClient } from "./served-client.ts";
import { messageBytesMost, type ServerHello } from "./wire.ts";

/** Connections at once. */
const connectionsMost = 1024;
/** Clients whose last pulse is remembered; whoever was heard of longest ago is forgotten first. */
const heardMost = 65_536;
const closeGraceMs = 500;

/** Where to listen: a port of an address that the caller allows, or a socket's path. */
export type ListenAt =
  | { readonly host: string; readonly port: number }
  | { readonly socketPath: string };

/** What is served. */
export interface ListenerOptions {
  readonly at: ListenAt;
  readonly clock: Clock;
  readonly hello: ServerHello;
  /** Answers one request of a stranger, by a deadline of its own. */
  readonly handle: (request: unknown) => Promise<unknown>;
  /** A client that is silent for two of these is cut off. @defaultValue 30000 */
  readonly keepAliveMs?: number;
}

/** A listening server. */
export class Listener {
  readonly #options: ListenerOptions;
  readonly #http: Server;
  readonly #ws: WebSocketServer;
  readonly #clients = new Map<WebSocket, ServedClient>();
  readonly #heard = new Map<number, number>();
  #cancelTick: () => void = () => undefined;
  #isClosing = false;

  private constructor(options: ListenerOptions) {
    this.#options = options;
    this.#http = createServer({ maxHeaderSize: 8192, requestTimeout: 5000 });
    this.#ws = new WebSocketServer({
      ...wsLimits,
      noServer: true,
      clientTracking: false,
      maxPayload: messageBytesMost,
    } as object);
    this.#http.on("request", (_request, response) => {
      response.writeHead(426, { connection: "close" }).end("A metadata server speaks ws only.\n");
    });
    this.#http.on("upgrade", (request, socket, head) => this.#upgrade(request, socket, head));
  }

  /** Starts. Rejects with PDPM_IN_USE when the address is taken. */
  static async start(options: ListenerOptions): Promise<Listener> {
    const listener = new Listener(options);
    await listener.#listen();
    listener.#tick();
    return listener;
  }

  /** Where it listens; of a Unix socket its path. */
  get url(): string {
    const address = this.#http.address() as AddressInfo | string;
    if (typeof address === "string") return address;
    const { family, port } = address;
    return family === "IPv6"
      ? `ws://[${address.address}]:${port}`
      : `ws://${address.address}:${port}`;
  }

  /** When it heard last of a client, on the server's clock; 0: not since it started. */
  heardAt(client: number): number {
    return this.#heard.get(client) ?? 0;
  }

  /** Stops accepting and ends every connection. */
  async close(): Promise<void> {
    this.#isClosing = true;
    this.#cancelTick();
    const closed = new Promise<void>((resolve) => {
      this.#http.close(() => resolve());
    });
    const sockets = [...this.#clients.keys()];
    for (const socket of sockets) socket.close(CloseCode.goingAway, "the metadata server closes");
    const cancel = this.#options.clock.after(closeGraceMs, () => {
      for (const socket of sockets) socket.terminate();
    });
    this.#http.closeAllConnections();
    await closed;
    cancel();
  }

  #listen(): Promise<void> {
    const { at } = this.#options;
    const where = "socketPath" in at ? { path: at.socketPath } : { ...at, exclusive: true };
    return new Promise((resolve, reject) => {
      const onError = (error: NodeJS.ErrnoException): void => {
        const code = error.code === "EADDRINUSE" ? "PDPM_IN_USE" : "PDPM_INVALID_ARGUMENT";
        const text = `cannot listen at ${JSON.stringify(at)}: ${error.message}`;
        reject(new PdpmError(code, text, { cause: error }));
      };
      this.#http.once("error", onError);
      this.#http.listen(where, () => {
        this.#http.off("error", onError);
        resolve();
      });
    });
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on("error", () => undefined); // A client that goes away ends its own connection only.
    const refusal = this.#refusal(request);
    if (refusal !== null) {
      socket.end(`HTTP/1.1 ${refusal}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    this.#ws.handleUpgrade(request, socket, head, (webSocket) => this.#accept(webSocket));
  }

  #refusal(request: IncomingMessage): string | null {
    if (request.headers.origin !== undefined) return "403 Forbidden";
    const isFull = this.#isClosing || this.#clients.size >= connectionsMost;
    return isFull ? "503 Service Unavailable" : null;
  }

  #accept(socket: WebSocket): void {
    const { hello, handle } = this.#options;
    const onPulse = (client: number): void => this.#hear(client);
    this.#clients.set(socket, new ServedClient(socket, { hello, handle, onPulse }));
    socket.once("close", () => this.#clients.delete(socket));
  }

  #hear(client: number): void {
    this.#heard.delete(client);
    this.#heard.set(client, this.#options.clock.now());
    for (const oldest of this.#heard.keys()) {
      if (this.#heard.size <= heardMost) break;
      this.#heard.delete(oldest);
    }
  }

  #tick(): void {
    const { clock, keepAliveMs = 30_000 } = this.#options;
    const tick = (): void => {
      for (const client of this.#clients.values()) client.tick();
      this.#tick();
    };
    this.#cancelTick = clock.after(keepAliveMs, tick, { holds: false });
  }
}
