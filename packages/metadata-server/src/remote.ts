// The client half: requests to a metadata server or coordinator over one ws connection, at a port
// or a Unix socket.
//
// - A connection that breaks is made again in the background, with bounded, jittered back-off.
// - A request that may be repeated (a question; a change, whose ticket the server knows again) is
//   sent again on the new connection, until its deadline. Any other fails at once: "unknown" when
//   it was sent, for its effect may have come about.
// - Another store under the same address is PDPM_WRONG_STORE, for good.
// - Nothing holds the event loop after close().

import { backoffMs, type Clock, PdpmError, type Prng } from "@pdpm/base";
import { WebSocket } from "ws";
import {
  decodeMessage,
  encodeMessage,
  failureIn,
  messageBytesMost,
  type ServerHello,
  wireVersion,
} from "./wire.ts";

/** Requests that wait for their answers at most. */
export const pendingMost: number = 2 ** 16;
const backoff = { firstMs: 10, mostMs: 500 };
const attemptTimeoutMs = 2000;

/** Where the server is, and how to reach it. */
export interface RemoteOptions {
  /** `ws://host:port`, or the path of a Unix socket. */
  readonly url: string;
  readonly clock: Clock;
  readonly prng: Prng;
  /** For each request. Milliseconds. */
  readonly timeoutMs: number;
  /** For the first connection. @defaultValue timeoutMs */
  readonly connectTimeoutMs?: number;
}

interface Pending {
  readonly request: unknown;
  readonly mayRepeat: boolean;
  isSent: boolean;
  resolve(reply: unknown): void;
  reject(error: PdpmError): void;
}

/** A server at the other end of a connection. */
export class RemoteService {
  readonly hello: ServerHello;
  readonly #options: RemoteOptions;
  readonly #pending = new Map<number, Pending>();
  #socket: WebSocket | undefined;
  #last = 0;
  #attempt = 0;
  #cancel: () => void = () => {};
  #ended: PdpmError | undefined;

  private constructor(options: RemoteOptions, hello: ServerHello) {
    this.#options = options;
    this.hello = hello;
  }

  /** Connects. @throws PDPM_UNAVAILABLE, PDPM_WRONG_STORE (another protocol version) */
  static async connect(options: RemoteOptions): Promise<RemoteService> {
    const { socket, hello } = await greet(options, options.connectTimeoutMs ?? options.timeoutMs);
    const remote = new RemoteService(options, hello);
    remote.#adopt(socket);
    return remote;
  }

  /** Asks; `mayRepeat`: delivering it twice does no harm. Rejects with PdpmError. */
  call(request: unknown, mayRepeat: boolean): Promise<unknown> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    if (this.#pending.size >= pendingMost) {
      const text = `${pendingMost} requests wait for the metadata server`;
      return Promise.reject(new PdpmError("PDPM_BUSY", text));
    }
    if (this.#socket === undefined && !mayRepeat) return Promise.reject(this.#unreachable(false));
    return new Promise((resolve, reject) => {
      this.#last += 1;
      const number = this.#last;
      const cancel = this.#options.clock.after(
        this.#options.timeoutMs,
        () => {
          this.#pending.delete(number);
          reject(this.#unreachable(pending.isSent));
        },
        { holds: true },
      );
      const pending: Pending = {
        request,
        mayRepeat,
        isSent: false,
        resolve: (reply) => {
          cancel();
          resolve(reply);
        },
        reject: (error) => {
          cancel();
          reject(error);
        },
      };
      this.#pending.set(number, pending);
      this.#send(number, pending);
    });
  }

  /** Whether a request would be sent at once. */
  get isConnected(): boolean {
    return this.#socket !== undefined;
  }

  /** Shows the server that `client` lives. */
  pulse(client: number): void {
    this.#socket?.send(encodeMessage(["pulse", client]));
  }

  /** Ends it: whoever waits is told. */
  async close(): Promise<void> {
    this.#ended ??= new PdpmError("PDPM_CLOSED", "the connection was closed");
    this.#cancel();
    for (const pending of this.#pending.values()) pending.reject(this.#ended);
    this.#pending.clear();
    const socket = this.#socket;
    this.#socket = undefined;
    if (socket === undefined) return;
    await new Promise<void>((resolve) => {
      const cancel = this.#options.clock.after(500, () => socket.terminate());
      socket.once("close", () => {
        cancel();
        resolve();
      });
      socket.close(1000);
    });
  }

  #send(number: number, pending: Pending): void {
    if (this.#socket === undefined) return;
    pending.isSent = true;
    this.#socket.send(encodeMessage(["call", number, pending.request]));
  }

  #adopt(socket: WebSocket): void {
    this.#socket = socket;
    this.#attempt = 0;
    socket.on("message", (data: Buffer) => this.#take(data));
    socket.on("close", () => this.#lost(socket));
    for (const [number, pending] of this.#pending) this.#send(number, pending);
  }

  #take(data: Buffer): void {
    const message = decodeMessage(data);
    const number = message?.[1];
    if (message === undefined || typeof number !== "number") {
      this.#socket?.terminate();
      return;
    }
    const pending = this.#pending.get(number);
    // A reply to a request whose caller has left.
    if (pending === undefined) return;
    this.#pending.delete(number);
    if (message[0] === "ok") pending.resolve(message[2]);
    else pending.reject(failureIn(message));
  }

  #lost(socket: WebSocket): void {
    if (this.#socket !== socket) return;
    this.#socket = undefined;
    for (const [number, pending] of this.#pending) {
      if (pending.mayRepeat) continue;
      this.#pending.delete(number);
      pending.reject(this.#unreachable(pending.isSent));
    }
    if (this.#ended === undefined) this.#again();
  }

  #again(): void {
    this.#attempt += 1;
    const { clock, prng } = this.#options;
    const pauseMs = backoffMs(prng, this.#attempt, backoff);
    this.#cancel = clock.after(pauseMs, () => void this.#connectAgain(), { holds: false });
  }

  async #connectAgain(): Promise<void> {
    try {
      const { socket, hello } = await greet(this.#options, attemptTimeoutMs);
      if (this.#ended !== undefined) return socket.terminate();
      if (hello.storeId !== this.hello.storeId) {
        socket.terminate();
        const text = `another store answers at ${this.#options.url}; connect anew`;
        this.#end(new PdpmError("PDPM_WRONG_STORE", text));
        return;
      }
      this.#adopt(socket);
    } catch {
      // Not there yet: whoever waits has a deadline, and is told then.
      if (this.#ended === undefined) this.#again();
    }
  }

  #end(why: PdpmError): void {
    this.#ended = why;
    for (const pending of this.#pending.values()) pending.reject(why);
    this.#pending.clear();
  }

  #unreachable(isSent: boolean): PdpmError {
    const text = `the metadata server at ${this.#options.url} does not answer`;
    return new PdpmError("PDPM_UNAVAILABLE", text, { outcome: isSent ? "unknown" : "not-applied" });
  }
}

/** A connection whose server has said hello. */
async function greet(
  { url, clock }: RemoteOptions,
  timeoutMs: number,
): Promise<{ socket: WebSocket; hello: ServerHello }> {
  const address = url.startsWith("ws://") ? url : `ws+unix://${url}:/`;
  const socket = new WebSocket(address, {
    perMessageDeflate: false,
    maxPayload: messageBytesMost,
    skipUTF8Validation: true,
  });
  return new Promise((resolve, reject) => {
    const fail = (text: string, code: "PDPM_UNAVAILABLE" | "PDPM_WRONG_STORE"): void => {
      cancel();
      socket.terminate();
      reject(new PdpmError(code, `the metadata server at ${url} ${text}`));
    };
    const cancel = clock.after(timeoutMs, () => fail("does not answer", "PDPM_UNAVAILABLE"));
    socket.on("error", (error) => fail(`cannot be reached: ${error.message}`, "PDPM_UNAVAILABLE"));
    socket.once("close", () => fail("ended the connection", "PDPM_UNAVAILABLE"));
    socket.once("message", (data: Buffer) => {
      const message = decodeMessage(data);
      const hello = message?.[0] === "hello" ? (message[1] as ServerHello) : undefined;
      if (hello?.protocol !== wireVersion) {
        fail(`speaks protocol ${hello?.protocol ?? "?"}, not ${wireVersion}`, "PDPM_WRONG_STORE");
        return;
      }
      cancel();
      resolve({ socket, hello });
    });
  });
}
