// A memory node reached over ws: the client half of the transport, a NodeFabric.
//
// - Posts need an admitted client id. While there is none, or the node refuses it (fenced, or the
//   node came back as a new incarnation), they reply PDPM_FENCED until `admit` gave another id.
// - When the connection breaks it connects again by itself, with back-off, and asks for the same
//   id. Posts wait for a connection attempt that is running; between attempts they fail at once.
// - Nothing here is retried: what was sent and not answered is reported as "unknown".
// - One connection carries one id for all its life: another id takes another connection, so that
//   "nothing of the old id is running" stays a matter of connections alone.

import { assert, type BackoffOptions, type Clock, PdpmError, Prng, systemClock } from "@pdpm/base";
import type { NodeFabric, Replies, Round } from "@pdpm/verbs";
import { Connector } from "./connector.ts";
import type { Judgement, NodeHello, NodeStats, VerbCounts } from "./control.ts";
import { Link } from "./link.ts";
import { RoundWindow } from "./round-window.ts";
import { VerbCounter } from "./verb-counter.ts";

/** How a node is reached. Times are milliseconds. */
export interface WsNodeOptions {
  /** `ws://HOST:PORT`. */
  readonly url: string;
  /** @defaultValue the system's clock */
  readonly clock?: Clock;
  /** Jitters the back-off. @defaultValue a random one */
  readonly prng?: Prng;
  /** Called once each time that the node stops accepting this client's id. */
  readonly onFenced?: (error: PdpmError) => void;
  /** One connection attempt, hello and admission included. @defaultValue 2000 */
  readonly connectTimeoutMs?: number;
  /** The answer to a control call. @defaultValue 10000 */
  readonly callTimeoutMs?: number;
  /** A node that is silent for two of these is given up. @defaultValue 10000 */
  readonly keepAliveMs?: number;
  /** Between attempts. @defaultValue 20 to 1000 */
  readonly backoff?: BackoffOptions;
}

/** What crossed the connections to one node; payload bytes of ws messages, both ways. */
export interface WsCounters {
  readonly framesSent: number;
  readonly framesReceived: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** Connections that came up. */
  readonly connections: number;
  /** Verbs put into frames. */
  readonly posted: VerbCounts;
}

/** One memory node. Made by `WsNode.connect`. */
export class WsNode implements NodeFabric {
  readonly url: string;
  readonly #callTimeoutMs: number;
  readonly #connectTimeoutMs: number;
  readonly #onFenced: ((error: PdpmError) => void) | undefined;
  readonly #verbs = new VerbCounter();
  readonly #window: RoundWindow = new RoundWindow(this.#verbs);
  readonly #connector: Connector<Link>;
  readonly #traffic = { framesSent: 0, framesReceived: 0, bytesSent: 0, bytesReceived: 0 };
  #hello: NodeHello | undefined;
  #clientId: number | undefined;
  /** The newest link that an admission was asked on; a connection carries one id, ever. */
  #askedOn: Link | undefined;
  /** Why posts are refused while there is no client id. */
  #refusal: PdpmError;
  #isClosed = false;
  #admitting: Promise<unknown> = Promise.resolve();

  private constructor(options: WsNodeOptions) {
    this.url = options.url;
    this.#onFenced = options.onFenced;
    this.#callTimeoutMs = options.callTimeoutMs ?? 10_000;
    this.#connectTimeoutMs = options.connectTimeoutMs ?? 2000;
    this.#refusal = new PdpmError("PDPM_FENCED", `no client id was admitted at ${this.url} yet`);
    const clock = options.clock ?? systemClock;
    const linkOptions = {
      url: options.url,
      clock,
      connectTimeoutMs: this.#connectTimeoutMs,
      keepAliveMs: options.keepAliveMs ?? 10_000,
      onReplies: (view: DataView, message: Buffer) => this.#window.take(view, message),
      onBytes: (sent: number, received: number) => this.#count(sent, received),
    };
    this.#connector = new Connector({
      url: options.url,
      clock,
      prng: options.prng ?? Prng.random(),
      backoff: options.backoff ?? { firstMs: 20, mostMs: 1000 },
      open: (onGone, signal) => Link.open({ ...linkOptions, onGone }, signal),
      prepare: (link) => this.#prepare(link),
      onDown: (error) => this.#window.fail(error),
    });
  }

  /**
   * Connects and says hello; verbs are possible after `admit`.
   * Rejects with PDPM_INVALID_ARGUMENT for a bad URL, PDPM_UNAVAILABLE when the node does not
   * answer in time, PDPM_UNSUPPORTED when it speaks another protocol.
   */
  static async connect(options: WsNodeOptions): Promise<WsNode> {
    if (!/^ws:\/\/[^/?#@]+:\d+\/?$/.test(options.url) || !URL.canParse(options.url)) {
      throw new PdpmError("PDPM_INVALID_ARGUMENT", `"${options.url}" is not ws://HOST:PORT`);
    }
    const node = new WsNode(options);
    try {
      await node.#connector.connected();
      node.#connector.keepTrying();
      return node;
    } catch (error) {
      await node.close();
      throw error;
    }
  }

  /** What the node said of itself when the last connection began. */
  get hello(): NodeHello {
    assert(this.#hello !== undefined, "a WsNode was connected once");
    return this.#hello;
  }

  /** The admitted client id, or undefined while posts reply PDPM_FENCED. */
  get clientId(): number | undefined {
    return this.#clientId;
  }

  /** A copy of the counts so far. */
  get counters(): WsCounters {
    const { connections } = this.#connector;
    return { ...this.#traffic, connections, posted: this.#verbs.snapshot() };
  }

  post(round: Round): Replies | Promise<Replies> {
    const canGo = this.#clientId !== undefined && this.#connector.isPromising && !this.#isClosed;
    if (canGo) return this.#window.post(round);
    const error = this.#whyNot();
    return round.map(() => error);
  }

  #whyNot(): PdpmError {
    if (this.#isClosed) return new PdpmError("PDPM_CLOSED", `${this.url} was closed`);
    if (this.#clientId === undefined) return this.#refusal;
    return this.#connector.lastError.withOutcome("not-applied");
  }

  /**
   * Asks for admission with `id`, or with an id that the node hands out and nobody had before; it
   * is durable there before it is told. An id that was admitted here before is given up, with all
   * of its rounds. Rejects with PDPM_FENCED when the node refuses the id for ever, PDPM_WRONG_STORE
   * when another region answers at this URL than at first.
   */
  admit(id?: number): Promise<number> {
    const admission = this.#admitting.then(() => this.#admit(id));
    this.#admitting = admission.catch(() => undefined);
    return admission;
  }

  async #admit(id: number | undefined): Promise<number> {
    if (this.#clientId !== undefined) {
      if (this.#clientId === id) return id;
      this.#refuse(new PdpmError("PDPM_FENCED", `client ${this.#clientId} gave up its id`));
      this.#connector.drop("another client id");
    }
    let link = await this.#connector.connected();
    if (link === this.#askedOn) {
      // A reconnection asked for the id that was given up meanwhile, or an answer came too late.
      this.#connector.drop("another client id");
      link = await this.#connector.connected();
    }
    if (this.#refusal.code === "PDPM_WRONG_STORE") throw this.#refusal;
    this.#clientId = await this.#askAdmission(link, id, this.#callTimeoutMs);
    if (this.#connector.link === link) this.#window.attach(link);
    return this.#clientId;
  }

  async #askAdmission(link: Link, id: number | undefined, timeoutMs: number): Promise<number> {
    this.#askedOn = link;
    const body = await link.call("admit", id === undefined ? {} : { id }, timeoutMs);
    const admitted = body["id"];
    if (typeof admitted === "number" && (id === undefined || admitted === id)) return admitted;
    throw new PdpmError("PDPM_UNSUPPORTED", `${this.url} admitted ${String(admitted)}`);
  }

  /** The last step of a connection attempt: the same node? the same incarnation? our id again. */
  async #prepare(link: Link): Promise<void> {
    const known = this.#hello;
    this.#hello = link.hello;
    if (known !== undefined && known.region.id !== link.hello.region.id) {
      const text = `another region answers at ${this.url} than before`;
      return this.#refuse(new PdpmError("PDPM_WRONG_STORE", text));
    }
    const id = this.#clientId;
    if (id === undefined) return;
    try {
      // An id outlives no incarnation; the node refuses it, and we do not depend on that.
      if (known?.incarnation !== link.hello.incarnation) {
        throw new PdpmError("PDPM_FENCED", `${this.url} came back as a new incarnation`);
      }
      await this.#askAdmission(link, id, this.#connectTimeoutMs);
      this.#window.attach(link);
    } catch (error) {
      if (!(error instanceof PdpmError) || error.code !== "PDPM_FENCED") throw error;
      this.#refuse(error);
      this.#onFenced?.(error);
    }
  }

  /** From now on posts reply `error`, until an id is admitted. */
  #refuse(error: PdpmError): void {
    this.#clientId = undefined;
    this.#refusal = error;
    this.#window.fail(error);
  }

  /** Settles when the node refuses `id` for ever and no verb of it is queued or running there. */
  async fence(id: number): Promise<void> {
    await this.#call("fence", { id });
  }

  /** Whether the mapped client `id`, whose lease file this node holds, lives. */
  async judge(id: number): Promise<Judgement> {
    const { alive, pid } = await this.#call("judge", { id });
    return alive === true ? { alive, pid: Number(pid) } : { alive: false };
  }

  /** Rejects with PDPM_NO_SPACE when the node may not or cannot grow. */
  async extend(sizeBytes: number): Promise<void> {
    await this.#call("extend", { sizeBytes });
  }

  /** The node's own count of what it did. */
  async stats(): Promise<NodeStats> {
    return (await this.#call("stats", {})) as unknown as NodeStats;
  }

  /** Rounds in flight reply PDPM_CLOSED, "unknown" if they were sent. Never waits for the node. */
  async close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#window.fail(this.#whyNot());
    }
    await this.#connector.close();
  }

  async #call(
    operation: "fence" | "judge" | "extend" | "stats",
    body: Record<string, unknown>,
  ): Promise<Record<string, unknown>> {
    const link = await this.#connector.connected();
    return link.call(operation, body, this.#callTimeoutMs);
  }

  #count(sent: number, received: number): void {
    if (sent > 0) this.#traffic.framesSent += 1;
    if (received > 0) this.#traffic.framesReceived += 1;
    this.#traffic.bytesSent += sent;
    this.#traffic.bytesReceived += received;
  }
}
