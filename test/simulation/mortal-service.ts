// A metadata service that can die at any of its commits, before it or after it; then another one
// over the same store goes on, and the call that got no answer is delivered again, ticket and all.

import { type Clock, Prng } from "@pdpm/base";
import { type KeyedRecord, MemoryStore, MetadataService } from "@pdpm/metadata-server";
import type { MetadataRequest } from "@pdpm/metadata-server/protocol";

/** Where a service dies: at which commit, and whether that one still takes effect. */
export interface ServiceDeath {
  readonly commit: number;
  readonly isApplied: boolean;
}

/** A store's label, as its service needs it. */
export interface ServiceLabel {
  readonly chunkBytes: number;
  readonly chunksMost: number;
  readonly nodeCount: number;
}

const everything = { start: "", end: "\uffff", limit: 2 ** 20 };

/** See above. */
export class MortalService {
  readonly store: MemoryStore;
  /** Commits since `arm`. */
  commits = 0;
  deaths = 0;
  /** Commits ever, for whoever compares. */
  changes = 0;
  readonly #clock: Clock;
  readonly #label: ServiceLabel;
  readonly #regionHeaderBytes: number;
  #service: MetadataService;
  #isArmed = false;
  #death: ServiceDeath | undefined;
  #die: () => void = () => {};
  #died: Promise<void> = new Promise(() => {});

  constructor(clock: Clock, label: ServiceLabel, regionHeaderBytes: number) {
    this.#clock = clock;
    this.#label = label;
    this.#regionHeaderBytes = regionHeaderBytes;
    this.store = new MemoryStore({
      beforeCommit: () => this.#commits(false),
      afterCommit: () => this.#commits(true),
    });
    this.#service = this.#next();
  }

  /** From here on commits are counted; it dies at `death`, if there is one. */
  arm(death?: ServiceDeath): void {
    this.#isArmed = true;
    this.#death = death;
  }

  disarm(): void {
    this.#isArmed = false;
  }

  /** Answers, though it may take two services. */
  async handle(request: MetadataRequest): Promise<unknown> {
    const { deaths } = this;
    const answer = this.#service.handle(request);
    // A dead one's answer is heard by nobody.
    const first = await Promise.race([
      answer.then((reply: unknown) => ({ reply })),
      this.#died.then(() => undefined),
    ]);
    if (first !== undefined && deaths === this.deaths) return first.reply;
    return this.handle(request);
  }

  /** Every record, in order. */
  records(): Promise<readonly KeyedRecord[]> {
    return this.store.range(everything);
  }

  /** Another service over a copy of the store. */
  async copy(clock: Clock): Promise<MortalService> {
    const copy = new MortalService(clock, this.#label, this.#regionHeaderBytes);
    const records = (await this.records()).map(({ key, value }) => [key, value] as const);
    await copy.store.commit(new Map(), new Map(records));
    return copy;
  }

  #next(): MetadataService {
    this.#died = new Promise((resolve) => {
      this.#die = resolve;
    });
    return new MetadataService({
      store: this.store,
      clock: this.#clock,
      prng: new Prng("service"),
      label: this.#label,
      regionHeaderBytes: this.#regionHeaderBytes,
    });
  }

  async #commits(isApplied: boolean): Promise<void> {
    if (isApplied) this.changes += 1;
    if (!this.#isArmed) return;
    const { commits } = this;
    if (isApplied) this.commits += 1;
    const death = this.#death;
    if (death?.commit !== commits || death.isApplied !== isApplied) return;
    this.#death = undefined;
    this.deaths += 1;
    const die = this.#die;
    this.#service = this.#next();
    die();
    await new Promise(() => {});
  }
}
