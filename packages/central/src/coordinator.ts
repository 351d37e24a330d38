// The coordinator as its clients meet it: one request, one answer. It runs every operation on their
// behalf, as the one client of the memory nodes and of the metadata service.
//
// - What a request carries is looked over before anything of it happens.
// - A failure of the operation is an answer; only what is no request at all is an error.
// - A coordinator that learns that it was deposed refuses: another one answers (H24).

import { isPdpmError, PdpmError, unreachable } from "@pdpm/base";
import { type BackendCounters, type Key, toKey, WriteQueue } from "@pdpm/kv";
import type { Limits, Operation, Protocol, Runner } from "@pdpm/verbs";
import { scanPage } from "./key-scan.ts";
import type { CentralQuestion, CentralReply, CentralRequest, CentralWrite } from "./protocol.ts";
import { readKey } from "./read-path.ts";
import { RequestWindows } from "./request-windows.ts";
import type { Context, Session } from "./session.ts";
import { countSpace } from "./space.ts";
import { invalidRequest } from "./validate.ts";
import { writeKey } from "./write-path.ts";

type Answer = CentralReply | Promise<CentralReply>;

/** Answers the requests of clients. */
export class Coordinator {
  readonly session: Session;
  readonly #runner: Runner;
  readonly #writes: WriteQueue;
  readonly #windows: RequestWindows;
  readonly #onDeposed: () => void;
  #isClosed = false;

  /** `onDeposed` is called when an operation met a refusal of this coordinator's id. */
  constructor(session: Session, runner: Runner, onDeposed: () => void) {
    this.session = session;
    this.#runner = runner;
    this.#onDeposed = onDeposed;
    this.#windows = new RequestWindows(session.clientId);
    this.#writes = new WriteQueue(runner, (key, batch) =>
      writeKey(this.#context(batch.operation), key, batch),
    );
  }

  /** Answers one request, which may come from a stranger. @throws PDPM_INVALID_ARGUMENT */
  handle(request: unknown): Answer {
    const reason = invalidRequest(request);
    if (reason !== null) throw new PdpmError("PDPM_INVALID_ARGUMENT", `not a request: ${reason}`);
    if (this.#isClosed) return { refused: true };
    const known = request as CentralRequest;
    if (known.op !== "put" && known.op !== "delete") return this.#question(known);
    return this.#windows.once(known.ticket, () => this.#answer(() => this.#write(known)));
  }

  /** From now on every request is refused. */
  close(): void {
    this.#isClosed = true;
  }

  counters(): BackendCounters {
    const { events, doubts, stale, mapping } = this.session;
    return {
      operations: this.#runner.counters.snapshot(),
      events: {
        ...events,
        doubtsOpen: doubts.size,
        staleCells: stale.count,
        mappingEntries: mapping.size,
      },
    };
  }

  /** Runs a protocol of this package: housekeeping, fsck, tests. */
  run<T>(
    kind: string,
    protocol: (context: Context) => Protocol<T>,
    limits: Limits,
  ): T | Promise<T> {
    const operation = this.#runner.operation(kind);
    return this.#runner.run(operation, protocol(this.#context(operation)), limits);
  }

  #question(request: CentralQuestion): Answer {
    switch (request.op) {
      case "hello":
        return { done: this.#windows.open() };
      case "bye":
        this.#windows.close(request.greeting);
        return { done: null };
      case "get":
        return this.#answer(() => {
          const key = toKey(request.key);
          const found = this.run("get", (context) => readKey(context, key), limitsOf(request));
          return found instanceof Promise ? found.then(orNull) : orNull(found);
        });
      case "keys":
        return this.#answer(() =>
          this.run("keys", (context) => scanPage(context, request.after), limitsOf(request)),
        );
      case "stats":
        return this.#answer(async () => {
          const space = await this.run("stats", countSpace, limitsOf(request));
          return { space, counters: this.counters() };
        });
      default:
        return unreachable(request);
    }
  }

  #write(request: CentralWrite): unknown {
    const key: Key = toKey(request.key);
    const value = request.op === "put" ? request.value : undefined;
    const ifVersion = request.ifVersion ?? undefined;
    const version = this.#writes.submit(key, value, ifVersion, limitsOf(request));
    return version instanceof Promise ? version.then(orNull) : orNull(version);
  }

  #answer(work: () => unknown): Answer {
    try {
      const result = work();
      if (!(result instanceof Promise)) return { done: result };
      return result.then(
        (done: unknown) => ({ done }),
        (error: unknown) => this.#failure(error),
      );
    } catch (error) {
      return this.#failure(error);
    }
  }

  #failure(error: unknown): CentralReply {
    if (!isPdpmError(error)) throw error;
    const { code, text, outcome } = error;
    if (code !== "PDPM_FENCED") return { failed: { code, text, outcome } };
    this.#onDeposed();
    if (outcome === "not-applied") return { refused: true };
    // Fenced in the middle: whether the commit was in time the next coordinator's store knows.
    return { failed: { code: "PDPM_UNAVAILABLE", text, outcome } };
  }

  #context(operation: Operation): Context {
    return { session: this.session, operation };
  }
}

function limitsOf({ timeoutMs }: { readonly timeoutMs: number | null }): Limits {
  return timeoutMs === null ? {} : { timeoutMs };
}

function orNull<T>(result: T | undefined): T | null {
  return result ?? null;
}
