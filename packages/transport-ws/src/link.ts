// One connection of a client to a memory node. It carries frames and control calls; what is in the
// frames, and connecting again, is for others (RoundWindow, WsNode).
//
// - It begins with the node's hello, within the attempt's deadline.
// - Once it is gone it never comes back; every call that waits for an answer rejects.

import { assert, type Clock, PdpmError } from "@pdpm/base";
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
import { invalidHello, type NodeHello } from "./control.ts";
import { type FrameBuffer, returnFrame } from "./frame-buffer.ts";
import { callsMost } from "./limits.ts";
import { SocketLine } from "./socket-line.ts";

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

/** One living connection. */
export class Link {
  /** What the node said of itself when this connection began. */
  hello!: NodeHello;
  readonly #options: LinkOptions;
  readonly #calls = new Map<number, Call>();
  #line: SocketLine | undefined;
  #nextCall = 1;

  private constructor(options: LinkOptions) {
    this.#options = options;
  }

  /**
   * Connects and says hello. `signal` ends the attempt early.
   * Rejects with PDPM_UNAVAILABLE, or PDPM_UNSUPPORTED when the node speaks another protocol.
   */
  static async open(options: LinkOptions, signal: AbortSignal): Promise<Link> {
    const link = new Link(options);
    const { url, clock, connectTimeoutMs, keepAliveMs } = options;
    const lineOptions = {
      url,
      name: `memory node ${url}`,
      clock,
      connectTimeoutMs,
      keepAliveMs,
      messageBytesMost,
      onMessage: (message: Buffer) => link.#take(message),
      onGone: (error: PdpmError, wasOpen: boolean) => link.#gone(error, wasOpen),
    };
    await SocketLine.open(lineOptions, signal, async (line) => {
      link.#line = line;
      link.hello = await link.#sayHello();
    });
    return link;
  }

  /** @throws PDPM_UNAVAILABLE when this link is gone or going. */
  throwIfGone(): void {
    this.#connected().throwIfGone();
  }

  /** Sends a frame; its buffer goes back to the pool when the socket has taken it. */
  send(frame: FrameBuffer): void {
    this.#options.onBytes(frame.used, 0);
    this.#connected().send(frame.bytes.subarray(0, frame.used), () => returnFrame(frame));
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
      this.#connected().send(frame);
    });
  }

  /** Ends it: says goodbye, and does not wait for the answer longer than `graceMs`. */
  close(graceMs: number): Promise<void> {
    return this.#connected().close(graceMs);
  }

  /** Cuts it off at once. */
  cut(code: number, why: string): void {
    this.#connected().cut(code, why);
  }

  #connected(): SocketLine {
    assert(this.#line !== undefined, "a link is not told before it is connected");
    return this.#line;
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

  #take(message: Buffer): string | null {
    this.#options.onBytes(0, message.length);
    const view = new DataView(message.buffer, message.byteOffset, message.length);
    if (view.byteLength === 0) return "an empty message is not a frame";
    if (frameKind(view) === FrameKind.replies) return this.#options.onReplies(view, message);
    return this.#answer(view, message);
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

  #gone(error: PdpmError, wasOpen: boolean): void {
    for (const call of [...this.#calls.values()]) call.reject(error);
    if (wasOpen) this.#options.onGone(this, error);
  }
}
