// The server half: listens for clients, at a loopback port or a Unix socket, and gives their
// requests to a service.
//
// - Nothing of a message is believed before it was decoded and looked over; a malformed one ends
//   the connection with a close code, and nothing of it happens.
// - A connection has a bounded number of calls under way; the service has a deadline for each.
// - It keeps no state but when it heard last of each client: that is liveness, not data.

import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { type Clock, PdpmError } from "@pdpm/base";
import { CloseCode, closeReason, wsLimits } from "@pdpm/transport-ws";
import { type WebSocket, WebSocketServer } from "ws";
import {
  decodeMessage,
  encodeMessage,
  failureMessage,
  messageBytesMost,
  type ServerHello,
  type ServerMessage,
} from "./wire.ts";

/** Calls of one connection that may be under way. */
export const callsMost = 4096;
/** Connections at once. */
const connectionsMost = 1024;

/** Where to listen: a port of an address that the caller allows, or a socket's path. */
export type ListenAt =
  | { readonly host: string; readonly port: number }
  | { readonly socketPath: string };

/** What is served. */
export interface ListenerOptions {
  readonly at: ListenAt;
  readonly clock: Clock;
  readonly hello: ServerHello;
  /** Answers one request of a stranger. */
  readonly handle: (request: unknown) => Promise<unknown>;
}

/** A listening server. */
export class Listener {
  readonly #options: ListenerOptions;
  readonly #http: Server;
  readonly #ws: WebSocketServer;
  readonly #sockets = new Set<WebSocket>();
  readonly #heard = new Map<number, number>();

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
    const closed = new Promise<void>((resolve) => {
      this.#http.close(() => resolve());
    });
    for (const socket of this.#sockets) {
      socket.close(CloseCode.goingAway, "the metadata server closes");
      this.#options.clock.after(500, () => socket.terminate(), { holds: false });
    }
    this.#http.closeAllConnections();
    await closed;
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
    const refusal =
      request.headers.origin !== undefined
        ? "403 Forbidden"
        : this.#sockets.size >= connectionsMost
          ? "503 Service Unavailable"
          : null;
    if (refusal !== null) {
      socket.end(`HTTP/1.1 ${refusal}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    this.#ws.handleUpgrade(request, socket, head, (webSocket) => this.#accept(webSocket));
  }

  #accept(socket: WebSocket): void {
    this.#sockets.add(socket);
    let calls = 0;
    const send = (message: ServerMessage): void => {
      if (socket.readyState === socket.OPEN) socket.send(encodeMessage(message));
    };
    const refuse = (code: number, reason: string): void => socket.close(code, closeReason(reason));
    socket.on("close", () => this.#sockets.delete(socket));
    socket.on("error", () => undefined); // Followed by "close".
    socket.on("message", (data: Buffer, isBinary: boolean) => {
      const message = isBinary ? decodeMessage(data) : undefined;
      if (message === undefined) return refuse(CloseCode.malformed, "not a message of pdpm");
      const [kind, number, request] = message;
      if (!Number.isSafeInteger(number) || (number as number) < 1) {
        return refuse(CloseCode.malformed, "a message without a number");
      }
      if (kind === "pulse") {
        this.#heard.set(number as number, this.#options.clock.now());
        if (this.#heard.size > 65_536) this.#heard.clear();
        return;
      }
      if (kind !== "call") return refuse(CloseCode.malformed, `unknown message "${String(kind)}"`);
      if (calls >= callsMost) return refuse(CloseCode.policy, `over ${callsMost} calls at once`);
      calls += 1;
      this.#options.handle(request).then(
        (reply) => {
          calls -= 1;
          send(["ok", number as number, reply]);
        },
        (error: unknown) => {
          calls -= 1;
          send(failureMessage(number as number, error));
        },
      );
    });
    send(["hello", this.#options.hello]);
  }
}
