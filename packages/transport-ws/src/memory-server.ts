// Listens for ws connections and gives each a session. What is refused is refused before a
// WebSocket exists where that is possible: an Origin (a browser has no business here), too many.

import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { type Clock, PdpmError, systemClock } from "@pdpm/base";
import { messageBytesMost } from "@pdpm/layout/frame";
import { type WebSocket, WebSocketServer } from "ws";
import { CloseCode, wsLimits } from "./limits.ts";
import type { MemoryService } from "./service.ts";
import { Session } from "./session.ts";

/** How to serve. Times are milliseconds. */
export interface MemoryServerOptions {
  readonly service: MemoryService;
  /** The caller decides which addresses are allowed. */
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly clock?: Clock;
  /** @defaultValue 1024 */
  readonly connectionsMost?: number;
  /** From the first byte to the end of the hello. @defaultValue 5000 */
  readonly handshakeTimeoutMs?: number;
  /** A client that is silent for two of these is cut off. @defaultValue 30000 */
  readonly keepAliveMs?: number;
  /** How long a client may take to say goodbye. @defaultValue 1000 */
  readonly closeTimeoutMs?: number;
}

const headerBytesMost = 8192;

/** A server of one memory. Made by `serveMemory`. */
export class MemoryServer {
  readonly #service: MemoryService;
  readonly #clock: Clock;
  readonly #http: Server;
  readonly #ws: WebSocketServer;
  readonly #sessions = new Set<Session>();
  readonly #connectionsMost: number;
  readonly #handshakeTimeoutMs: number;
  readonly #keepAliveMs: number;
  #cancelTick: () => void = () => undefined;
  #isClosing = false;

  constructor(options: MemoryServerOptions) {
    this.#service = options.service;
    this.#clock = options.clock ?? systemClock;
    this.#connectionsMost = options.connectionsMost ?? 1024;
    this.#handshakeTimeoutMs = options.handshakeTimeoutMs ?? 5000;
    this.#keepAliveMs = options.keepAliveMs ?? 30_000;
    this.#http = createServer({
      maxHeaderSize: headerBytesMost,
      requestTimeout: this.#handshakeTimeoutMs,
      connectionsCheckingInterval: this.#handshakeTimeoutMs,
    });
    this.#ws = new WebSocketServer({
      ...wsLimits,
      noServer: true,
      clientTracking: false,
      maxPayload: messageBytesMost,
      closeTimeout: options.closeTimeoutMs ?? 1000,
    } as object);
    this.#http.on("request", (_request, response) => {
      response.writeHead(426, { connection: "close" }).end("A memory node speaks ws only.\n");
    });
    this.#http.on("upgrade", (request, socket, head) => this.#upgrade(request, socket, head));
    this.#tick();
  }

  /** How many connections have said hello. */
  get connections(): number {
    let count = 0;
    for (const session of this.#sessions) if (session.isKnown) count += 1;
    return count;
  }

  /** Starts to accept. Rejects with PDPM_IN_USE when the port is taken. */
  listen(host: string, port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const onError = (error: NodeJS.ErrnoException): void => {
        const code = error.code === "EADDRINUSE" ? "PDPM_IN_USE" : "PDPM_INVALID_ARGUMENT";
        const text = `cannot listen on ${host} port ${port}: ${error.message}`;
        reject(new PdpmError(code, text, { cause: error }));
      };
      this.#http.once("error", onError);
      this.#http.listen({ host, port, exclusive: true }, () => {
        this.#http.off("error", onError);
        resolve();
      });
    });
  }

  /** Where it listens. */
  get url(): string {
    const { address, family, port } = this.#http.address() as AddressInfo;
    return family === "IPv6" ? `ws://[${address}]:${port}` : `ws://${address}:${port}`;
  }

  /** Stops accepting, ends every connection, and settles when nothing of them is running. */
  async close(): Promise<void> {
    this.#isClosing = true;
    this.#cancelTick();
    const closed = new Promise<void>((resolve) => {
      this.#http.close(() => resolve());
    });
    const sessions = [...this.#sessions];
    for (const session of sessions) session.fail(CloseCode.goingAway, "the memory node closes");
    await Promise.all(sessions.map((session) => session.gone));
    this.#http.closeAllConnections();
    await closed;
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on("error", () => undefined);
    const refusal = this.#refusal(request);
    if (refusal !== null) {
      socket.end(`HTTP/1.1 ${refusal}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    this.#ws.handleUpgrade(request, socket, head, (webSocket) => this.#accept(webSocket));
  }

  #refusal(request: IncomingMessage): string | null {
    if (request.headers.origin !== undefined) return "403 Forbidden";
    if (this.#isClosing) return "503 Service Unavailable";
    return this.#sessions.size < this.#connectionsMost ? null : "503 Service Unavailable";
  }

  #accept(webSocket: WebSocket): void {
    const session = new Session(webSocket, this.#service);
    this.#sessions.add(session);
    const cancel = this.#clock.after(
      this.#handshakeTimeoutMs,
      () => {
        if (!session.isKnown) session.fail(CloseCode.policy, "no hello in time");
      },
      { holds: false },
    );
    webSocket.once("close", () => {
      cancel();
      this.#sessions.delete(session);
    });
  }

  #tick(): void {
    const tick = (): void => {
      for (const session of this.#sessions) session.tick();
      this.#tick();
    };
    this.#cancelTick = this.#clock.after(this.#keepAliveMs, tick, { holds: false });
  }
}

/** Serves `service` at an address. Rejects with PDPM_IN_USE or PDPM_INVALID_ARGUMENT. */
export async function serveMemory(options: MemoryServerOptions): Promise<MemoryServer> {
  const server = new MemoryServer(options);
  await server.listen(options.host, options.port);
  return server;
}
