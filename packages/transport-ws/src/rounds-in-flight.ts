// The rounds on their way, by number. Numbers are given out in order and rounds are answered nearly
// in order, so a ring of recent ones serves; what is overtaken by a whole ring moves to a Map. A
// Map for all of them would be simpler, but one that turns over with every operation keeps garbage
// alive until a full collection (see Crowd in @pdpm/verbs).
//
// Invariant: a round is in its place of the ring (number modulo its size) or in the Map, never
// both.

/** What is known by a number below 2^32. */
interface Numbered {
  readonly id: number;
}

const ringSize = 4096;

/** See the head of this file. */
export class RoundsInFlight<R extends Numbered> {
  readonly #ring: (R | undefined)[] = new Array<R | undefined>(ringSize).fill(undefined);
  readonly #overtaken = new Map<number, R>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Takes in a round; no other one of this number is in flight. */
  add(round: R): void {
    const place = round.id & (ringSize - 1);
    const slow = this.#ring[place];
    if (slow !== undefined) this.#overtaken.set(slow.id, slow);
    this.#ring[place] = round;
    this.#size += 1;
  }

  /** The round of this number, or undefined if it is not in flight. */
  get(id: number): R | undefined {
    const recent = this.#ring[id & (ringSize - 1)];
    return recent?.id === id ? recent : this.#overtaken.get(id);
  }

  /** Lets go of a round that is in flight. */
  delete(round: R): void {
    const place = round.id & (ringSize - 1);
    if (this.#ring[place] === round) this.#ring[place] = undefined;
    else this.#overtaken.delete(round.id);
    this.#size -= 1;
  }

  /** Lets go of all and returns them, in no order. */
  clear(): R[] {
    const rounds = [
      ...this.#ring.filter((round) => round !== undefined),
      ...this.#overtaken.values(),
    ];
    this.#ring.fill(undefined);
    this.#overtaken.clear();
    this.#size = 0;
    return rounds;
  }
}
