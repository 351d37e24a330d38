// The metadata service: takes requests, and gives each to the file that knows about it. It has no
// state outside its store: any number of services, in any processes, may work over one store, and
// one that is killed at any commit loses nothing.
//
// - What it says was committed before it is said.
// - Every call ends by its deadline. Past it no commit is begun; one that is under way may still be
//   applied, so a change's outcome is unknown then, and the same ticket finds out.

import { type Clock, PdpmError, type Prng, unreachable } from "@pdpm/base";
import { makeChange } from "./changes.ts";
import { invalidClass, measureSpace, takenParts } from "./chunks.ts";
import * as clients from "./clients.ts";
import * as directory from "./directory.ts";
import type { Geometry } from "./geometry.ts";
import { Groups } from "./group.ts";
import type { AnswerOf, Change, MetadataRequest, Question, ReplyOf } from "./protocol.ts";
import { leasedParts } from "./space.ts";
import type { TransactionalStore } from "./store.ts";
import { readWholeTable } from "./table.ts";
import { type Transaction, transact } from "./transaction.ts";
import { invalidRequest } from "./validate.ts";

/** What a service stands on. */
export interface MetadataServiceOptions {
  readonly store: TransactionalStore;
  readonly clock: Clock;
  readonly prng: Prng;
  readonly label: Pick<Geometry, "chunkBytes" | "chunksMost" | "nodeCount">;
  /** Bytes of a region before its first place. */
  readonly regionHeaderBytes: number;
  /** @defaultValue 10,000 */
  readonly callTimeoutMs?: number;
  /**
   * Records that one commit of a batch touches, about, at most; a single item may touch more.
   * @defaultValue 2048
   */
  readonly commitRecordsMost?: number;
}

/** The type of the reply to a request. */
export type ReplyTo<R> = R extends { readonly ask: infer A extends Question["ask"] }
  ? AnswerOf[A]
  : R extends { readonly change: { readonly do: infer D extends Change["do"] } }
    ? ReplyOf[D]
    : never;

type Reply = AnswerOf[Question["ask"]] | ReplyOf[Change["do"]];

/** Answers requests. */
export class MetadataService {
  readonly #options: MetadataServiceOptions;
  readonly #geometry: Geometry;
  readonly #groups: Groups = new Groups();

  constructor(options: MetadataServiceOptions) {
    this.#options = options;
    const { chunkBytes, chunksMost, nodeCount } = options.label;
    const { regionHeaderBytes } = options;
    this.#geometry = { chunkBytes, chunksMost, nodeCount, regionHeaderBytes };
  }

  /**
   * Answers one request, which may come from a stranger.
   * @throws PDPM_INVALID_ARGUMENT, PDPM_FENCED (the ticket's client is not live), PDPM_BUSY and
   * PDPM_TIMEOUT (again with the same ticket), PDPM_CORRUPT, PDPM_NO_SPACE, and the store's errors
   */
  async handle<const R extends MetadataRequest>(request: R): Promise<ReplyTo<R>> {
    const reason = invalidRequest(request) ?? this.#invalidHere(request);
    if (reason !== null) throw new PdpmError("PDPM_INVALID_ARGUMENT", `not a request: ${reason}`);
    const { store, clock, prng, callTimeoutMs = 10_000, commitRecordsMost = 2048 } = this.#options;
    const deadlineAt = clock.now() + callTimeoutMs;
    const call = { store, clock, prng, deadlineAt, commitRecordsMost };
    const isChange = !("ask" in request);
    const work: Promise<Reply> =
      "ask" in request
        ? transact(call, (transaction) => this.#answer(transaction, request))
        : makeChange(call, this.#groups, this.#geometry, request.ticket, request.change);
    return (await this.#inTime(callTimeoutMs, isChange, work)) as ReplyTo<R>;
  }

  /** Why a well-formed request means nothing in this store, or null. */
  #invalidHere(request: MetadataRequest): string | null {
    const { nodeCount } = this.#geometry;
    const change = "ask" in request ? undefined : request.change;
    if (change?.do === "addChunk" && change.node >= nodeCount) return `there is no such node`;
    if (change?.do === "markDead" && !("ask" in request) && change.dead === request.ticket.client) {
      return "a client cannot mark itself dead";
    }
    if (change?.do === "addChunk" || change?.do === "recut") {
      return invalidClass(this.#geometry, change.sizeClass);
    }
    return null;
  }

  #inTime<T>(timeoutMs: number, isChange: boolean, work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const outcome = isChange ? "unknown" : "not-applied";
      const cancel = this.#options.clock.after(timeoutMs, () =>
        reject(new PdpmError("PDPM_TIMEOUT", "the metadata store did not answer", { outcome })),
      );
      work.then(
        (reply) => {
          cancel();
          resolve(reply);
        },
        (error: unknown) => {
          cancel();
          reject(error);
        },
      );
    });
  }

  #answer(transaction: Transaction, question: Question): Promise<AnswerOf[Question["ask"]]> {
    const geometry = this.#geometry;
    switch (question.ask) {
      case "lookup":
        return directory.lookup(transaction, question);
      case "table":
        return readWholeTable(transaction, geometry.nodeCount);
      case "keys":
        return directory.keys(transaction, question);
      case "space":
        return measureSpace(transaction, geometry);
      case "clients":
        return clients.listClients(transaction);
      case "leases":
        return leasedParts(transaction, question.client);
      case "taken":
        return takenParts(transaction, geometry, question.chunk);
      case "offices":
        return clients.officeHolders(transaction);
      default:
        return unreachable(question);
    }
  }
}
