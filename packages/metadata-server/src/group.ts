// Group commit: changes that wait at one service are carried out together, in one commit. Each
// stands in a transaction of its own inside the group's: it sees the writes of those before it, and
// its own are taken over when its work is done, or not at all.
//
// What must hold:
// - All is as if the changes were made one after the other at the moment of the commit: the group's
//   expects everything that any of them read, and only what it confirms is told to anybody, errors
//   included.
// - Nothing waits for company. A group begins when the one before it was committed, with whatever
//   waits by then, and takes in what arrives until its last change has been worked out.
// - A change past its deadline is neither begun nor committed.
// - A conflict halves the next group, and a change that met `conflictsMost` of them goes on alone:
//   a record that others change all the time holds up nobody who does not need it.
// - A range shows the store, and so not what the group is about to write: no change may stand in a
//   group whose reply or effect rests on a range of records that changes in groups write.

import { isPdpmError } from "@pdpm/base";
import { type Call, outOfTime, pause, Transaction, transact } from "./transaction.ts";

/** Conflicts that a change meets in company at most. */
export const conflictsMost = 2;

type Work<T> = (transaction: Transaction) => Promise<T>;

/** A change that waits, or is in the group. */
interface Member {
  readonly call: Call;
  readonly work: Work<unknown>;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
  conflicts: number;
}

/** A change that was worked out: what its caller is told once the commit has confirmed it. */
interface Outcome {
  readonly member: Member;
  tell(): void;
}

/** The changes of one service that are made in groups. */
export class Groups {
  #waiting: Member[] = [];
  #isBusy = false;
  /** Changes in the next group at most. */
  #changesMost = Number.POSITIVE_INFINITY;

  /** Runs `work` in a transaction as `transact` does, together with what else waits. */
  transact<T>(call: Call, work: Work<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({
        call,
        work,
        resolve: resolve as (result: unknown) => void,
        reject,
        conflicts: 0,
      });
      // It never rejects.
      if (!this.#isBusy) void this.#work();
    });
  }

  async #work(): Promise<void> {
    this.#isBusy = true;
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      if (first.conflicts > 0) await pause(first.call, first.conflicts);
      const transaction = new Transaction(first.call.store);
      const outcomes = await this.#fill(transaction, first.call.commitRecordsMost);
      if (outcomes.length > 0) await this.#commit(transaction, outcomes);
    }
    this.#isBusy = false;
  }

  /** Works out waiting changes, one after the other, until none waits or the group is large. */
  async #fill(group: Transaction, recordsMost: number): Promise<readonly Outcome[]> {
    const outcomes: Outcome[] = [];
    while (outcomes.length < this.#changesMost && group.records < recordsMost) {
      const member = this.#waiting.shift();
      if (member === undefined) break;
      const outcome = await workOut(group, member);
      if (outcome !== undefined) outcomes.push(outcome);
    }
    return outcomes;
  }

  async #commit(group: Transaction, outcomes: readonly Outcome[]): Promise<void> {
    const members = outcomes.map(({ member }) => member);
    // The reads may have taken long. What is late is part of the group already: that goes anew.
    if (members.some(isLate)) {
      this.#waiting.unshift(...members);
      return;
    }
    let isDone: boolean;
    try {
      isDone = await group.prove();
    } catch (error) {
      for (const { reject } of members) reject(error);
      return;
    }
    if (isDone) {
      this.#changesMost *= 2;
      for (const { tell } of outcomes) tell();
    } else {
      this.#changesMost = Math.max(1, members.length >> 1);
      this.#again(members);
    }
  }

  /** After a conflict. */
  #again(members: readonly Member[]): void {
    for (const member of members) {
      member.conflicts += 1;
      if (member.conflicts < conflictsMost) continue;
      const { call, work, resolve, reject } = member;
      transact(call, work, member.conflicts).then(resolve, reject);
    }
    this.#waiting.unshift(...members.filter(({ conflicts }) => conflicts < conflictsMost));
  }
}

/** Undefined when the caller was told already: nothing of the change is in the group. */
async function workOut(group: Transaction, member: Member): Promise<Outcome | undefined> {
  const { call, work, resolve, reject } = member;
  if (isLate(member)) {
    reject(outOfTime());
    return undefined;
  }
  try {
    const transaction = new Transaction(call.store, group);
    const result = await work(transaction);
    group.accept(transaction);
    return { member, tell: () => resolve(result) };
  } catch (error) {
    if (isPdpmError(error)) return { member, tell: () => reject(error) };
    reject(error);
    return undefined;
  }
}

function isLate({ call }: Member): boolean {
  return call.clock.now() >= call.deadlineAt;
}
