// One connection of a client to a memory node, from the first byte to the last. It carries frames
// and control calls; what is in the frames, and connecting again, is for others (RoundWindow,
// WsNode).
//
// - `open` ends by its deadline, also when the node is stopped: the kernel accepts, nobody answers.
// - Once it is gone it never comes back; every call that waits for an answer rejects.

import { type Clock, PdpmError } from "@pdpm/base";
import {
  answerCode,
  answerOutcome,
  type ControlOperation,
  decodeControlBody,
  encodeControl,
  FrameKind,
  frameKind,
  frameNumber,
  frameOperation,
  frameProtocolVersion,
  invalidControlFrame,
  messageBytesMost,
} from "@pdpm/layout/frame";
import { WebSocket } from "ws";
import { invalidHello, type NodeHello } from "./control.ts";
import { type FrameBuffer, returnFrame } from "./frame-buffer.ts";
import { CloseCode, callsMost, closeReason, wsLimits } from "./limits.ts";

/** What a link needs and tells. */
export interface LinkOptions {
  readonly url: string;
  readonly clock: Clock;
  readonly connectTimeoutMs: number;
  /** A silent node is asked for a sign of life this often, and cut off when two were missed. */
  readonly keepAliveMs: number;
  /** A frame of replies; returns why it is malformed, or null. */
  onReplies(view: DataView, message: Buffer): string | null;
  /** Called once, when the link is gone; not when `open` failed. */
  onGone(link: Link, error: PdpmError): void;
  /** Called with the payload bytes of every message. */
  onBytes(sent: number, received: number): void;
}

interface Call {
  readonly operation: ControlOperation;
  resolve(body: Record<string, unknown>): void;
  reject(error: PdpmError): void;
}

const silentTicksMost = 2;
const binary = { binary: true, compress: false } as const;

// Masks hide a browser's bytes from proxies. Between two processes of ours they would cost a pass
// over every byte on both sides; with a mask of zeros ws skips both passes.
function maskWithZeros(mask: Buffer): void {
  mask.fill(0);
}

/** One living connection. */
export class Link {
  /** What the node said of itself when this connection began. */
  hello!: NodeHello;
  readonly #options: LinkOptions;
  readonly #socket: WebSocket;
  readonly #calls = new Map<number, Call>();
  #nextCall = 1;
  #why: string | undefined;
  #isOpen = false;
  #silentTicks = 0;
  #cancelKeepAlive: (() => void) | undefined;

  private constructor(options: LinkOptions) {
    this.#options = options;
    this.#socket = new WebSocket(options.url, {
      ...wsLimits,
      maxPayload: messageBytesMost,
      generateMask: maskWithZeros,
    } as object);
    this.#socket.on("message", (message: Buffer, isBinary) => this.#take(message, isBinary));
    this.#socket.on("pong", () => {
      this.#silentTicks = 0;
    });
  }

  /**
   * Connects and says hello. `signal` ends the attempt early.
   * Rejects with PDPM_UNAVAILABLE, or PDPM_UNSUPPORTED when the node speaks another protocol.
   */
  static async open(options: LinkOptions, signal: AbortSignal): Promise<Link> {
    const link = new Link(options);
    const giveUp = (why: string): void => {
      link.#why ??= why;
      link.#socket.terminate();
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
      await link.#connected();
      link.hello = await link.#sayHello();
      link.throwIfGone();
      link.#isOpen = true;
      link.#keepAlive();
      return link;
    } catch (error) {
      link.#socket.terminate();
      throw error;
    } finally {
      cancel();
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** @throws PDPM_UNAVAILABLE when this link is gone or going. */
  throwIfGone(): void {
    if (this.#socket.readyState !== WebSocket.OPEN) throw this.#unavailable("not-applied");
  }

  /** Sends a frame; its buffer goes back to the pool when the socket has taken it. */
  send(frame: FrameBuffer): void {
    this.#options.onBytes(frame.used, 0);
    this.#socket.send(frame.bytes.subarray(0, frame.used), binary, () => returnFrame(frame));
  }

  /**
   * Calls the node; resolves with the answer's body. Rejects with the node's error, PDPM_TIMEOUT or
   * PDPM_UNAVAILABLE, both with outcome "unknown".
   */
  async call(
    operation: ControlOperation,
    body: Record<string, unknown>,
    timeoutMs: number,
  ): Promise<Record<string, unknown>> {
    if (this.#calls.size >= callsMost) {
      throw new PdpmError("PDPM_BUSY", `${callsMost} calls wait for ${this.#options.url} already`);
    }
    this.throwIfGone();
    const number = this.#nextCall;
    this.#nextCall = (number + 1) >>> 0;
    const frame = encodeControl(FrameKind.call, operation, number, body);
    return new Promise((resolve, reject) => {
      const cancel = this.#options.clock.after(timeoutMs, () => {
        const text = `${this.#options.url} did not answer ${operation} within ${timeoutMs} ms`;
        settle(() => reject(new PdpmError("PDPM_TIMEOUT", text, { outcome: "unknown" })));
      });
      const settle = (then: () => void): void => {
        cancel();
        this.#calls.delete(number);
        then();
      };
      this.#calls.set(number, {
        operation,
        resolve: (answer) => settle(() => resolve(answer)),
        reject: (error) => settle(() => reject(error)),
      });
      this.#options.onBytes(frame.length, 0);
      this.#socket.send(frame, binary);
    });
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
        this.#why ??= text === "" ? `closed by the node (${code})` : `${text} (${code})`;
        this.#gone();
        reject(this.#unavailable("not-applied"));
      });
    });
  }

  async #sayHello(): Promise<NodeHello> {
    const { url, connectTimeoutMs } = this.#options;
    const request = { protocol: frameProtocolVersion, credential: "" };
    // The attempt's own deadline comes first; an attempt that fails has applied nothing.
    const body = await this.call("hello", request, 2 * connectTimeoutMs).catch((error) => {
      throw error instanceof PdpmError ? error.withOutcome("not-applied") : error;
    });
    const reason = invalidHello(body, frameProtocolVersion);
    if (reason !== null) throw new PdpmError("PDPM_UNSUPPORTED", `${url}: ${reason}`);
    return body as unknown as NodeHello;
  }

  #take(message: Buffer, isBinary: boolean): void {
    // The rest of a chunk whose first frame had us cut the link off.
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    this.#silentTicks = 0;
    this.#options.onBytes(0, message.length);
    const view = new DataView(message.buffer, message.byteOffset, message.length);
    let reason: string | null = "a text message is not a frame";
    if (isBinary && view.byteLength > 0) {
      if (frameKind(view) === FrameKind.replies) reason = this.#options.onReplies(view, message);
      else reason = this.#answer(view, message);
    }
    if (reason !== null) this.cut(CloseCode.malformed, `malformed frame: ${reason}`);
  }

  #answer(view: DataView, message: Buffer): string | null {
    const reason = invalidControlFrame(view, FrameKind.answer);
    if (reason !== null) return reason;
    const call = this.#calls.get(frameNumber(view));
    // An answer may come after its call's deadline.
    if (call === undefined) return null;
    if (call.operation !== frameOperation(view)) return "an answer to another operation";
    let body: Record<string, unknown>;
    try {
      body = decodeControlBody(message);
    } catch (error) {
      return String(error);
    }
    const code = answerCode(view);
    if (code === undefined) call.resolve(body);
    else {
      const outcome = answerOutcome(view);
      call.reject(new PdpmError(code, String(body["text"]), { outcome }));
    }
    return null;
  }

  /** Every tick of silence asks for a sign of life; the second one in a row ends the link. */
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

  #gone(): void {
    this.#cancelKeepAlive?.();
    for (const call of [...this.#calls.values()]) call.reject(this.#unavailable("unknown"));
    if (this.#isOpen) this.#options.onGone(this, this.#unavailable("unknown"));
  }

  #unavailable(outcome: "not-applied" | "unknown"): PdpmError {
    const text = `memory node ${this.#options.url} cannot be reached: ${this.#why ?? "it broke"}`;
    return new PdpmError("PDPM_UNAVAILABLE", text, { outcome });
  }
}
