// One WebSocket of a client to a server of ours, from the first byte to the last. What its messages
// mean, and connecting again, is for others (Link, Connector).
//
// - `open` ends by its deadline, also when the server is stopped: the kernel accepts, nobody
//   answers.
// - Once it is gone it never comes back, and says so once.
// - A server that gives no sign of life is cut off.

import { connect as connectSocket } from "node:net";
import { type Clock, PdpmError } from "@pdpm/base";
import { WebSocket } from "ws";
import { CloseCode, closeReason, wsLimits } from "./limits.ts";

/** What a line needs and tells. Times are milliseconds. */
export interface SocketLineOptions {
  /** `ws://HOST:PORT`, or the path of a Unix socket, which begins with "/". */
  readonly url: string;
  /** The server, in messages. */
  readonly name: string;
  readonly clock: Clock;
  readonly connectTimeoutMs: number;
  /** A silent server is asked for a sign of life this often, and cut off when two were missed. */
  readonly keepAliveMs: number;
  /** The largest message that is taken. */
  readonly messageBytesMost: number;
  /** A binary message; returns why it is malformed, or null. */
  onMessage(message: Buffer): string | null;
  /** Called once, when the line is gone; `wasOpen`: after `open` had succeeded. */
  onGone(error: PdpmError, wasOpen: boolean): void;
}

const silentTicksMost = 2;
const binary = { binary: true, compress: false } as const;

// Masks hide a browser's bytes from proxies. Between two processes of ours they would cost a pass
// over every byte on both sides; with a mask of zeros ws skips both passes.
function maskWithZeros(mask: Buffer): void {
  mask.fill(0);
}

/** See the head of this file. */
export class SocketLine {
  readonly #options: SocketLineOptions;
  readonly #socket: WebSocket;
  #why: string | undefined;
  #isOpen = false;
  #silentTicks = 0;
  #cancelKeepAlive: (() => void) | undefined;

  private constructor(options: SocketLineOptions) {
    this.#options = options;
    const { url } = options;
    // Not in a URL: that would change what stands in the path.
    const isPath = url.startsWith("/");
    this.#socket = new WebSocket(isPath ? "ws://localhost" : url, {
      ...wsLimits,
      ...(isPath && { createConnection: () => connectSocket(url) }),
      maxPayload: options.messageBytesMost,
      generateMask: maskWithZeros,
    } as object);
    this.#socket.on("message", (message: Buffer, isBinary) => this.#take(message, isBinary));
    this.#socket.on("pong", () => {
      this.#silentTicks = 0;
    });
  }

  /**
   * Connects and greets; `greet` has the same deadline. `signal` ends the attempt early.
   * Rejects with PDPM_UNAVAILABLE, or what `greet` rejects with.
   */
  static async open(
    options: SocketLineOptions,
    signal: AbortSignal,
    greet: (line: SocketLine) => Promise<void>,
  ): Promise<SocketLine> {
    const line = new SocketLine(options);
    const giveUp = (why: string): void => {
      line.#why ??= why;
      line.#socket.terminate();
    };
    const onAbort = (): void => giveUp("the client was closed");
    const cancel = options.clock.after(
      options.connectTimeoutMs,
      () => giveUp(`no answer within ${options.connectTimeoutMs} ms`),
      { holds: false },
    );
    signal.addEventListener("abort", onAbort);
    try {
      if (signal.aborted) onAbort();
      await line.#connected();
      await greet(line);
      line.throwIfGone();
      line.#isOpen = true;
      line.#keepAlive();
      return line;
    } catch (error) {
      line.#socket.terminate();
      throw error;
    } finally {
      cancel();
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** @throws PDPM_UNAVAILABLE when this line is gone or going. */
  throwIfGone(): void {
    if (this.#socket.readyState !== WebSocket.OPEN) throw this.#unavailable("not-applied");
  }

  /** Sends a message; `sent` is called when the socket has taken it, or never will. */
  send(message: Uint8Array, sent?: () => void): void {
    this.#socket.send(message, binary, sent);
  }

  /** Ends it: says goodbye, and does not wait for the answer longer than `graceMs`. */
  async close(graceMs: number): Promise<void> {
    if (this.#socket.readyState === WebSocket.CLOSED) return;
    const closed = new Promise<void>((resolve) => this.#socket.once("close", () => resolve()));
    const cancel = this.#options.clock.after(graceMs, () => this.#socket.terminate());
    this.#socket.close(CloseCode.normal);
    await closed;
    cancel();
  }

  /** Cuts it off at once. */
  cut(code: number, why: string): void {
    this.#why ??= why;
    this.#socket.close(code, closeReason(why));
    this.#socket.terminate();
  }

  #connected(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.once("open", resolve);
      this.#socket.on("error", (error) => {
        this.#why ??= error.message;
      });
      this.#socket.once("close", (code, reason) => {
        const text = reason.toString();
        this.#why ??= text === "" ? `closed by the server (${code})` : `${text} (${code})`;
        this.#cancelKeepAlive?.();
        this.#options.onGone(this.#unavailable("unknown"), this.#isOpen);
        reject(this.#unavailable("not-applied"));
      });
    });
  }

  #take(message: Buffer, isBinary: boolean): void {
    // The rest of a chunk whose first message had us cut the line off.
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    this.#silentTicks = 0;
    const reason = isBinary ? this.#options.onMessage(message) : "a text message is not a frame";
    if (reason !== null) this.cut(CloseCode.malformed, `malformed frame: ${reason}`);
  }

  /** Every tick of silence asks for a sign of life; the second one in a row ends the line. */
  #keepAlive(): void {
    const { clock, keepAliveMs } = this.#options;
    const tick = (): void => {
      this.#silentTicks += 1;
      if (this.#silentTicks > silentTicksMost) {
        this.cut(CloseCode.goingAway, `no sign of life for ${this.#silentTicks * keepAliveMs} ms`);
        return;
      }
      this.#socket.ping();
      this.#keepAlive();
    };
    this.#cancelKeepAlive = clock.after(keepAliveMs, tick, { holds: false });
  }

  #unavailable(outcome: "not-applied" | "unknown"): PdpmError {
    const text = `${this.#options.name} cannot be reached: ${this.#why ?? "it broke"}`;
    return new PdpmError("PDPM_UNAVAILABLE", text, { outcome });
  }
}
