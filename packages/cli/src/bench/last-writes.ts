// What a client wrote last under each record, by the versions that the store gave: after the run
// the clients' knowledge together says what every record must hold.

import type { LastWrite } from "./steps.ts";

/** Of one client. */
export class LastWrites {
  readonly #client: number;
  readonly #records = new Map<number, { version: number; sequence: number; inDoubt: boolean }>();
  #sequence = 0;

  constructor(client: number) {
    this.#client = client;
  }

  /** A number that no other value of this client has. */
  nextSequence(): number {
    this.#sequence += 1;
    return this.#sequence;
  }

  /**
   * A write was acknowledged. Acknowledgements may come out of order; versions say which is last.
   */
  written(recordNumber: number, version: number, sequence: number): void {
    const known = this.#records.get(recordNumber);
    if (known === undefined) {
      this.#records.set(recordNumber, { version, sequence, inDoubt: false });
    } else if (version > known.version) {
      known.version = version;
      known.sequence = sequence;
    }
  }

  /** A write has an unknown outcome: from now on the record may hold it. */
  doubted(recordNumber: number): void {
    const known = this.#records.get(recordNumber) ?? { version: 0, sequence: 0, inDoubt: true };
    known.inDoubt = true;
    this.#records.set(recordNumber, known);
  }

  /** All of them. */
  list(): LastWrite[] {
    return [...this.#records].map(([recordNumber, { version, sequence, inDoubt }]) => ({
      recordNumber,
      version,
      client: this.#client,
      sequence: inDoubt ? null : sequence,
    }));
  }
}

/** What each record must hold: the newest write that any client knows of, in doubt if any is. */
export function newestOf(lists: Iterable<readonly LastWrite[]>): LastWrite[] {
  const newest = new Map<number, LastWrite>();
  for (const list of lists) {
    for (const write of list) {
      const known = newest.get(write.recordNumber);
      const isNewer = known === undefined || write.version > known.version;
      const inDoubt = write.sequence === null || known?.sequence === null;
      const kept = isNewer ? write : known;
      newest.set(write.recordNumber, inDoubt ? { ...kept, sequence: null } : kept);
    }
  }
  return [...newest.values()];
}
