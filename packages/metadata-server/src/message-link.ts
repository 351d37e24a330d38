// One connection of a client to a metadata server or coordinator. It begins with the server's
// hello, which is looked over before anything is believed; after that it carries messages. What
// they mean, and connecting again, is for RemoteService.

import { type Clock, PdpmError } from "@pdpm/base";
import { type Connected, SocketLine } from "@pdpm/transport-ws";
import { decodeMessage, invalidServerHello, messageBytesMost, type ServerHello } from "./wire.ts";

/** What a link needs and tells. Times are milliseconds. */
export interface MessageLinkOptions {
  /** `ws://HOST:PORT`, or the path of a Unix socket. */
  readonly url: string;
  readonly clock: Clock;
  /** Hello included. */
  readonly connectTimeoutMs: number;
  readonly keepAliveMs: number;
  /** A message behind the hello; returns why it is malformed, or null. */
  onMessage(message: readonly unknown[]): string | null;
  /** Called once, when the link is gone; not when `open` failed. */
  onGone(link: MessageLink, error: PdpmError): void;
}

/** One living connection. */
export class MessageLink implements Connected {
  /** What the server said of itself when this connection began. */
  readonly hello: ServerHello;
  readonly #line: SocketLine;

  private constructor(line: SocketLine, hello: ServerHello) {
    this.#line = line;
    this.hello = hello;
  }

  /**
   * Connects and waits for the hello. `signal` ends the attempt early.
   * Rejects with PDPM_UNAVAILABLE, or PDPM_UNSUPPORTED when the server is none that it understands.
   */
  static async open(options: MessageLinkOptions, signal: AbortSignal): Promise<MessageLink> {
    const { url, clock, connectTimeoutMs, keepAliveMs } = options;
    const name = `the metadata server at ${url}`;
    const greeting = new Greeting(name);
    let link: MessageLink | undefined;
    const lineOptions = {
      url,
      name,
      clock,
      connectTimeoutMs,
      keepAliveMs,
      messageBytesMost,
      onMessage: (bytes: Buffer): string | null => {
        const message = decodeMessage(bytes);
        if (message === undefined) return "not a message of pdpm";
        return greeting.isOver ? options.onMessage(message) : greeting.take(message);
      },
      onGone: (error: PdpmError): void => {
        greeting.fail(error.withOutcome("not-applied"));
        if (link !== undefined) options.onGone(link, error);
      },
    };
    const line = await SocketLine.open(lineOptions, signal, async () => {
      await greeting.done;
    });
    link = new MessageLink(line, await greeting.done);
    return link;
  }

  throwIfGone(): void {
    this.#line.throwIfGone();
  }

  send(message: Uint8Array): void {
    this.#line.send(message);
  }

  close(graceMs: number): Promise<void> {
    return this.#line.close(graceMs);
  }

  cut(code: number, why: string): void {
    this.#line.cut(code, why);
  }
}

/** The wait for a hello. */
class Greeting {
  readonly done: Promise<ServerHello>;
  isOver = false;
  readonly #name: string;
  #resolve!: (hello: ServerHello) => void;
  #reject!: (error: PdpmError) => void;

  constructor(name: string) {
    this.#name = name;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // An attempt that fails before it waits for the hello reports that failure.
    this.done.catch(() => undefined);
  }

  take([kind, hello]: readonly unknown[]): null {
    this.isOver = true;
    const reason = kind === "hello" ? invalidServerHello(hello) : "it did not begin with a hello";
    if (reason === null) this.#resolve(hello as ServerHello);
    else this.fail(new PdpmError("PDPM_UNSUPPORTED", `${this.#name}: ${reason}`));
    return null;
  }

  fail(error: PdpmError): void {
    this.#reject(error);
  }
}
