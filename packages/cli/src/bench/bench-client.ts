// One client process of a bench: does the steps that it is asked for, one after the other.

import { assert, hostNanoseconds, PdpmError, Prng, systemClock } from "@pdpm/base";
import type { BackendCounters } from "@pdpm/kv";
import { connect, open, type Store } from "pdpm";
import { since } from "./counters.ts";
import { type Drive, drive } from "./drive.ts";
import { HistoryLog } from "./history-log.ts";
import { LastWrites } from "./last-writes.ts";
import { loadRecordNumbers, OperationStream, type WorkloadOperation } from "./operation-stream.ts";
import { Performer } from "./performer.ts";
import { recordKey } from "./scramble.ts";
import type { ClientRole, LastWrite, Steps, WorkOrder, WorkReport } from "./steps.ts";
import { Tally } from "./tally.ts";
import { readValue } from "./values.ts";
import { type WorkloadName, workloads } from "./workload.ts";

/** Records in flight while all of them are loaded or read. */
const bulkInFlight = 32;

/** See the head of this file. */
export class BenchClient {
  readonly #signal: AbortSignal;
  readonly #streams = new Map<WorkloadName, OperationStream>();
  #role: ClientRole | undefined;
  #history: HistoryLog | undefined;
  #lastWrites = new LastWrites(0);
  #store: Store | undefined;

  /** `signal` ends whatever it is doing. */
  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  async begin(role: ClientRole): Promise<null> {
    this.#role = role;
    this.#lastWrites = new LastWrites(role.client);
    const { historyPath, epoch } = role;
    if (historyPath !== undefined) this.#history = new HistoryLog(historyPath, epoch);
    return null;
  }

  async open({ dir, url, client }: Steps["open"]["ask"]): Promise<Steps["open"]["reply"]> {
    assert((dir === undefined) !== (url === undefined), "a store is named one way");
    this.#store = url === undefined ? await open(dir ?? "", client) : await connect(url, client);
    // The same keys in the same order each time that the store is opened.
    this.#streams.clear();
    const { design, supports } = this.#store;
    return { design, supports };
  }

  load(): Promise<WorkReport> {
    const { client, clientCount, recordCount } = this.#known.role;
    const operations = inserts(loadRecordNumbers(client, clientCount, recordCount));
    return this.#bulk(operations);
  }

  touch(): Promise<WorkReport> {
    return this.#bulk(reads(this.#known.role.recordCount));
  }

  async work(order: WorkOrder): Promise<WorkReport> {
    const { inFlight } = order;
    const stream = this.#stream(order.workload, inFlight);
    return this.#run({
      next: () => stream.next(),
      inFlight,
      forMs: order.seconds === undefined ? undefined : order.seconds * 1000,
      operationsMost: order.operations,
      rate: order.rate,
    });
  }

  async space(): Promise<Steps["space"]["reply"]> {
    return (await this.#known.store.stats()).space;
  }

  async written(): Promise<LastWrite[]> {
    return this.#lastWrites.list();
  }

  /** Reads are recorded nowhere: the run is over. */
  async verify(expected: readonly LastWrite[]): Promise<Steps["verify"]["reply"]> {
    const { store } = this.#known;
    let right = 0;
    let wrong = 0;
    let example: string | null = null;
    const left = expected.values();
    await drive<LastWrite>({
      clock: systemClock,
      signal: this.#signal,
      inFlight: bulkInFlight,
      next: () => left.next().value,
      perform: async (write) => {
        const found = await store.get(recordKey(write.recordNumber));
        const identity = found === undefined ? null : readValue(found);
        const isRight =
          identity !== null &&
          (write.sequence === null ||
            (identity.client === write.client && identity.sequence === write.sequence));
        if (isRight) right += 1;
        else {
          wrong += 1;
          const what = found === undefined ? "nothing" : JSON.stringify(identity);
          example ??= `record ${write.recordNumber} holds ${what}, not ${JSON.stringify(write)}`;
        }
        return true;
      },
    });
    return { right, wrong, example };
  }

  async close(): Promise<Steps["close"]["reply"]> {
    const { store } = this.#known;
    await store.close();
    this.#store = undefined;
    return store.counters();
  }

  /** Also when the parent is gone, in the middle of anything. */
  async end(): Promise<Steps["end"]["reply"]> {
    await this.#store?.close({ timeoutMs: 1000 });
    this.#store = undefined;
    this.#history?.close();
    this.#history = undefined;
    return { cpuSeconds: cpuSeconds() };
  }

  get #known(): { readonly role: ClientRole; readonly store: Store } {
    const role = this.#role;
    const store = this.#store;
    if (role !== undefined && store !== undefined) return { role, store };
    throw new PdpmError("PDPM_CLOSED", "the bench client has no store open");
  }

  #stream(name: WorkloadName, inFlight: number): OperationStream {
    const { client, clientCount, recordCount, theta, seed } = this.#known.role;
    const known = this.#streams.get(name);
    if (known !== undefined) return known;
    const prng = new Prng(`${seed}/${name}/${client}`);
    const options = { client, clientCount, recordCount, theta, unsettledCount: inFlight };
    const stream = new OperationStream(prng, workloads[name], options);
    this.#streams.set(name, stream);
    return stream;
  }

  /** Stops at the first failure. */
  #bulk(operations: Iterator<WorkloadOperation>): Promise<WorkReport> {
    return this.#run({
      next: () => operations.next().value as WorkloadOperation | undefined,
      inFlight: bulkInFlight,
      stopsAtFailure: true,
    });
  }

  async #run(
    task: Omit<Drive<WorkloadOperation>, "clock" | "signal" | "perform">,
  ): Promise<WorkReport> {
    const { role, store } = this.#known;
    const performer = new Performer({
      clock: systemClock,
      client: role.client,
      valueBytes: role.valueBytes,
      store,
      lastWrites: this.#lastWrites,
      history: this.#history,
    });
    const tally = new Tally();
    const before = { cpu: cpuSeconds(), counters: store.counters(), start: this.#now(role) };
    await drive<WorkloadOperation>({
      ...task,
      clock: systemClock,
      signal: this.#signal,
      perform: (operation, intendedMs) => performer.perform(operation, tally, intendedMs),
    });
    const counters: BackendCounters = since(before.counters, store.counters());
    const end = this.#now(role);
    const cpu = cpuSeconds() - before.cpu;
    return { tally: tally.data(), start: before.start, end, cpuSeconds: cpu, counters };
  }

  #now({ epoch }: ClientRole): number {
    return Number(hostNanoseconds() - epoch);
  }
}

function* inserts(recordNumbers: Iterable<number>): Generator<WorkloadOperation, void> {
  for (const recordNumber of recordNumbers) {
    yield { op: "insert", recordNumber, key: recordKey(recordNumber) };
  }
}

function* reads(recordCount: number): Generator<WorkloadOperation, void> {
  for (let recordNumber = 0; recordNumber < recordCount; recordNumber += 1) {
    yield { op: "read", recordNumber, key: recordKey(recordNumber) };
  }
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
