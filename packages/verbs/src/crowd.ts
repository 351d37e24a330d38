// A set for what comes and goes with every operation. A Set or Map would do, but V8 links each
// table that one outgrows to the next: once such a table is old, all later ones, and what ever
// stood in them, stay until a full collection. Measured over ws: three quarters of what an
// operation leaves survived, and collecting it was a third of a client's time.
//
// Invariant: `members[i].place === i`; a member of no crowd has place -1.

import { assert } from "@pdpm/base";

/** What can be in one crowd at a time. */
export interface Member {
  /** The crowd's; -1 at first. */
  place: number;
}

/** Members in no order. */
export class Crowd<M extends Member> {
  readonly #members: M[] = [];

  get size(): number {
    return this.#members.length;
  }

  /** Takes in who is in no crowd. */
  add(member: M): void {
    assert(member.place === -1, "a member is in one crowd at a time");
    member.place = this.#members.length;
    this.#members.push(member);
  }

  /** Lets go of `member`; nothing happens if it is not in this crowd. */
  delete(member: M): void {
    const { place } = member;
    if (place < 0 || this.#members[place] !== member) return;
    const last = this.#members.pop() as M;
    if (last !== member) {
      this.#members[place] = last;
      last.place = place;
    }
    member.place = -1;
  }

  /** Those who are in it now. Some may leave while the list is walked. */
  all(): readonly M[] {
    return this.#members.slice();
  }
}
