// The client half: requests to a metadata server or coordinator over one ws connection, at a port
// or a Unix socket.
//
// - A connection that breaks, or falls silent, is made again in the background: see Connector.
// - A request that may be repeated (a question; a change, whose ticket the server knows again) is
//   sent again on the new connection, byte for byte, until its deadline. Any other fails at once.
// - No more is sent than a server takes at once (`callsMost`, counted until it has answered); the
//   rest waits here, in order.
// - What was sent and not answered is "unknown", whatever the reason, for its effect may have come
//   about; what was never sent is "not-applied".
// - Another store under the same address is PDPM_WRONG_STORE, for good.
// - Nothing holds the event loop after close(); before it, only requests that wait do.

import { type Clock, PdpmError, type Prng } from "@pdpm/base";
import { Connector } from "@pdpm/transport-ws";
import { MessageLink } from "./message-link.ts";
import { callsMost, encodeMessage, failureIn, messageBytesMost, type ServerHello } from "./wire.ts";

/** Requests that wait for their answers at most. */
export const pendingMost: number = 2 ** 16;
const backoff = { firstMs: 10, mostMs: 500 };
const attemptTimeoutMs = 2000;

/** Where the server is, and how to reach it. Times are milliseconds. */
export interface RemoteOptions {
  /** `ws://host:port`, or the path of a Unix socket. */
  readonly url: string;
  readonly clock: Clock;
  readonly prng: Prng;
  /** For each request. */
  readonly timeoutMs: number;
  /** For the first connection. @defaultValue timeoutMs */
  readonly connectTimeoutMs?: number;
  /** A server that is silent for two of these is given up. @defaultValue 10000 */
  readonly keepAliveMs?: number;
  /** Ends the first attempt early. */
  readonly signal?: AbortSignal;
}

interface Pending {
  readonly message: Uint8Array;
  readonly mayRepeat: boolean;
  isSent: boolean;
  resolve(reply: unknown): void;
  reject(error: PdpmError): void;
}

/** A server at the other end of a connection. */
export class RemoteService {
  readonly #options: RemoteOptions;
  readonly #connector: Connector<MessageLink>;
  readonly #pending = new Map<number, Pending>();
  /** Of #pending, those that were not sent on this connection. */
  readonly #unsent = new Set<number>();
  /** Sent on this connection and not answered, also when nobody waits any more. */
  readonly #unanswered = new Set<number>();
  #hello: ServerHello | undefined;
  #link: MessageLink | undefined;
  #last = 0;
  #ended: PdpmError | undefined;

  private constructor(options: RemoteOptions) {
    const { url, clock, prng, timeoutMs, connectTimeoutMs = timeoutMs } = options;
    this.#options = options;
    const open = (
      onGone: (link: MessageLink, error: PdpmError) => void,
      signal: AbortSignal,
    ): Promise<MessageLink> => {
      const onMessage = (message: readonly unknown[]): string | null => this.#take(message);
      const isFirst = this.#hello === undefined;
      const linkOptions = {
        url,
        clock,
        connectTimeoutMs: isFirst ? connectTimeoutMs : attemptTimeoutMs,
        keepAliveMs: options.keepAliveMs ?? 10_000,
        onMessage,
        onGone,
      };
      return MessageLink.open(linkOptions, signal);
    };
    this.#connector = new Connector({
      url,
      clock,
      prng,
      backoff,
      open,
      prepare: async (link) => this.#adopt(link),
      onDown: () => this.#lost(),
    });
  }

  /**
   * Connects, in one attempt.
   * @throws PDPM_UNAVAILABLE; PDPM_UNSUPPORTED: it speaks another protocol, or is something else
   */
  static async connect(options: RemoteOptions): Promise<RemoteService> {
    const remote = new RemoteService(options);
    const onAbort = (): void => void remote.close(); // Never rejects.
    options.signal?.addEventListener("abort", onAbort);
    try {
      await remote.#connector.connected();
      remote.#connector.keepTrying();
      return remote;
    } catch (error) {
      await remote.close();
      throw error;
    } finally {
      options.signal?.removeEventListener("abort", onAbort);
    }
  }

  /** What the server said of itself when it was reached first. */
  get hello(): ServerHello {
    return this.#hello as ServerHello;
  }

  /** Whether a request would be sent at once. */
  get isConnected(): boolean {
    return this.#link !== undefined;
  }

  /** Asks; `mayRepeat`: delivering it twice does no harm. Rejects with PdpmError. */
  async call(request: unknown, mayRepeat: boolean): Promise<unknown> {
    const number = this.#last + 1;
    const message = encodeMessage(["call", number, request]);
    this.#refuse(message, mayRepeat);
    this.#last = number;
    return new Promise((resolve, reject) => {
      const cancel = this.#options.clock.after(
        this.#options.timeoutMs,
        () => settle(() => reject(this.#unreachable(pending))),
        { holds: true },
      );
      const settle = (then: () => void): void => {
        cancel();
        this.#pending.delete(number);
        this.#unsent.delete(number);
        then();
      };
      const pending: Pending = {
        message,
        mayRepeat,
        isSent: false,
        resolve: (reply) => settle(() => resolve(reply)),
        reject: (error) => settle(() => reject(error)),
      };
      this.#pending.set(number, pending);
      this.#unsent.add(number);
      this.#sendSome();
    });
  }

  /** Shows the server that `client` lives. */
  pulse(client: number): void {
    this.#link?.send(encodeMessage(["pulse", client]));
  }

  /** Ends it: whoever waits is told. */
  async close(): Promise<void> {
    this.#end(new PdpmError("PDPM_CLOSED", "the connection was closed"));
    await this.#connector.close();
  }

  /** Why a request is not even begun. */
  #refuse(message: Uint8Array, mayRepeat: boolean): void {
    if (this.#ended !== undefined) throw this.#ended;
    if (message.length > messageBytesMost) {
      const text = `a request of ${message.length} bytes, over ${messageBytesMost}`;
      throw new PdpmError("PDPM_INVALID_ARGUMENT", text);
    }
    if (this.#pending.size >= pendingMost) {
      throw new PdpmError("PDPM_BUSY", `${pendingMost} requests wait for the metadata server`);
    }
    if (this.#link === undefined && !mayRepeat) throw this.#unreachable({ isSent: false });
  }

  /** As much as the server takes. */
  #sendSome(): void {
    if (this.#link === undefined) return;
    for (const number of this.#unsent) {
      if (this.#unanswered.size >= callsMost) return;
      const pending = this.#pending.get(number) as Pending;
      this.#unsent.delete(number);
      this.#unanswered.add(number);
      pending.isSent = true;
      this.#link.send(pending.message);
    }
  }

  /** The last step of a connection attempt: the same store? Then everybody's turn again. */
  #adopt(link: MessageLink): void {
    this.#hello ??= link.hello;
    if (link.hello.storeId !== this.#hello.storeId) {
      const text = `another store answers at ${this.#options.url}; connect anew`;
      const error = new PdpmError("PDPM_WRONG_STORE", text);
      this.#end(error);
      // It waits for this very attempt, which fails now.
      void this.#connector.close();
      throw error;
    }
    this.#link = link;
    this.#unanswered.clear();
    this.#unsent.clear();
    for (const number of this.#pending.keys()) this.#unsent.add(number);
    this.#sendSome();
  }

  #take(message: readonly unknown[]): string | null {
    const [kind, number, reply] = message;
    if (kind !== "ok" && kind !== "no") return "neither an answer nor a failure";
    if (!this.#unanswered.delete(number as number)) return "an answer to nothing";
    // Its caller may have left: the deadline was over.
    const pending = this.#pending.get(number as number);
    if (kind === "ok") pending?.resolve(reply);
    else pending?.reject(failureIn(message));
    this.#sendSome();
    return null;
  }

  #lost(): void {
    this.#link = undefined;
    for (const pending of [...this.#pending.values()]) {
      if (!pending.mayRepeat) pending.reject(this.#unreachable(pending));
    }
  }

  /** For good: whoever waits is told, and whoever comes. */
  #end(why: PdpmError): void {
    this.#ended ??= why;
    this.#link = undefined;
    for (const pending of [...this.#pending.values()]) {
      pending.reject(this.#ended.withOutcome(pending.isSent ? "unknown" : "not-applied"));
    }
  }

  #unreachable({ isSent }: Pick<Pending, "isSent">): PdpmError {
    const text = `the metadata server at ${this.#options.url} does not answer`;
    return new PdpmError("PDPM_UNAVAILABLE", text, { outcome: isSent ? "unknown" : "not-applied" });
  }
}
