// Keeps one client connected to one server: opens a link, and another one when it breaks.
//
// - One attempt at a time, each with a deadline, `prepare` included. A link that broke is replaced
//   at once, unless it broke young again; after an attempt that failed the next one waits. Waits
//   are bounded and jittered.
// - `onDown` is called exactly once for every link that was up and every attempt that failed.
// - Waiting for the next attempt does not keep the process alive.

import { type BackoffOptions, backoffMs, type Clock, PdpmError, type Prng } from "@pdpm/base";
import { CloseCode } from "./limits.ts";

/** One living connection, as a connector needs it. */
export interface Connected {
  /** @throws PDPM_UNAVAILABLE when it is gone or going. */
  throwIfGone(): void;
  /** Ends it, within about `graceMs`. */
  close(graceMs: number): Promise<void>;
  /** Cuts it off at once. */
  cut(code: number, why: string): void;
}

/** What a connector needs. */
export interface ConnectorOptions<L extends Connected> {
  /** The server, in messages. */
  readonly url: string;
  readonly clock: Clock;
  readonly prng: Prng;
  readonly backoff: BackoffOptions;
  /**
   * One attempt; ends by a deadline of its own, or when `signal` says so. `onGone` is called once,
   * when a link that was opened is gone.
   */
  open(onGone: (link: L, error: PdpmError) => void, signal: AbortSignal): Promise<L>;
  /** The last step of an attempt, on a link that has said hello. When it rejects, so does that. */
  prepare(link: L): Promise<void>;
  onDown(error: PdpmError): void;
}

const closeGraceMs = 250;

/** See the head of this file. */
export class Connector<L extends Connected> {
  /** Links that were up so far. */
  connections = 0;
  readonly #options: ConnectorOptions<L>;
  readonly #closing = new AbortController();
  #link: L | undefined;
  #attempt: Promise<L> | undefined;
  #isRetrying = false;
  #failures = 0;
  #upAt = 0;
  #cancelRetry: (() => void) | undefined;
  #lastError: PdpmError;

  constructor(options: ConnectorOptions<L>) {
    this.#options = options;
    this.#lastError = new PdpmError("PDPM_UNAVAILABLE", `${options.url} was not reached yet`);
  }

  /** The link that is up now. */
  get link(): L | undefined {
    return this.#link;
  }

  /** Whether a link is up, or an attempt is running that may bring one up. */
  get isPromising(): boolean {
    return this.#link !== undefined || this.#attempt !== undefined;
  }

  /** Why there is no link. */
  get lastError(): PdpmError {
    return this.#lastError;
  }

  /** The link; tries to connect, now, if there is none. */
  connected(): Promise<L> {
    if (this.#closing.signal.aborted) {
      return Promise.reject(new PdpmError("PDPM_CLOSED", `${this.#options.url} was closed`));
    }
    if (this.#link !== undefined) return Promise.resolve(this.#link);
    return this.#attempt ?? this.#start();
  }

  /** From a first success on, broken links are replaced in the background. */
  keepTrying(): void {
    this.#isRetrying = true;
  }

  /** Drops the link that is up; `connected` brings up another. */
  drop(why: string): void {
    const link = this.#link;
    if (link === undefined) return;
    this.#link = undefined;
    link.cut(CloseCode.normal, why);
    this.#options.onDown(new PdpmError("PDPM_UNAVAILABLE", why));
  }

  /** Ends everything; never waits for a node longer than a moment. */
  async close(): Promise<void> {
    const link = this.#link;
    this.#closing.abort();
    this.#cancelRetry?.();
    this.#link = undefined;
    await Promise.allSettled([link?.close(closeGraceMs), this.#attempt]);
  }

  #start(): Promise<L> {
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
    const attempt = this.#open().then(
      (link) => {
        this.#attempt = undefined;
        return link;
      },
      (error: unknown) => {
        this.#attempt = undefined;
        throw this.#attemptFailed(error);
      },
    );
    this.#attempt = attempt;
    return attempt;
  }

  async #open(): Promise<L> {
    const onGone = (link: L, error: PdpmError): void => this.#gone(link, error);
    const link = await this.#options.open(onGone, this.#closing.signal);
    const onAbort = (): void => link.cut(CloseCode.normal, "the client was closed");
    this.#closing.signal.addEventListener("abort", onAbort);
    try {
      await this.#options.prepare(link);
      link.throwIfGone();
    } catch (error) {
      link.cut(CloseCode.normal, "the attempt failed");
      throw error;
    } finally {
      this.#closing.signal.removeEventListener("abort", onAbort);
    }
    this.#link = link;
    this.#upAt = this.#options.clock.now();
    this.connections += 1;
    return link;
  }

  #attemptFailed(error: unknown): PdpmError {
    const failure =
      error instanceof PdpmError ? error : new PdpmError("PDPM_UNAVAILABLE", String(error));
    this.#lastError = failure;
    this.#failures += 1;
    this.#options.onDown(failure);
    this.#retry(false);
    return failure;
  }

  #gone(link: L, error: PdpmError): void {
    // A link that went while it was being prepared fails its attempt instead.
    if (this.#link !== link) return;
    const { clock, backoff } = this.#options;
    this.#link = undefined;
    this.#lastError = error;
    this.#failures = clock.now() - this.#upAt < backoff.mostMs ? this.#failures + 1 : 0;
    this.#options.onDown(error);
    this.#retry(this.#failures <= 1);
  }

  #retry(atOnce: boolean): void {
    if (!this.#isRetrying || this.#closing.signal.aborted) return;
    // Nobody awaits such an attempt; its failure was dealt with when it failed.
    const start = (): void => void this.#start().catch(() => undefined);
    if (atOnce) start();
    else {
      const { clock, prng, backoff } = this.#options;
      const ms = backoffMs(prng, this.#failures, backoff);
      this.#cancelRetry = clock.after(ms, start, { holds: false });
    }
  }
}
