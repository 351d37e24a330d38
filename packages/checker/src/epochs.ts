// The epochs of a key: one per version that some operation wrote or saw, in version order. Versions
// only grow, so this order is the order of the writes in every linearization; nothing has to be
// guessed. A write of unknown outcome whose value was read did happen: it is adopted into the
// version that was read. A write of unknown outcome that nobody saw can be left out.
//
// What this cannot settle goes to search.ts. Some of it makes the whole order "undecided" at once
// (a write or a read without a version); some only leaves it open (a conflict that does not say
// what it found, a version that an unseen write may have made): what contradicts the rest is then
// still wrong.

import { present } from "@pdpm/base";
import type { Step } from "./step.ts";
import { type Verdict, violation } from "./verdict.ts";

/** The time in which one version is the current one, with what ties it to real time. */
export interface Epoch {
  readonly version: number;
  readonly writer: Step;
  /** Of those that saw the version: the one that started last, and the one that ended first. */
  startMax: Step | null;
  endMin: Step | null;
  /** The delete that ended this epoch, if it is known to be one. */
  remover: Step | null;
}

/** All that the version order says about a key. */
export interface EpochOrder {
  /** By version, ascending. */
  readonly epochs: readonly Epoch[];
  /** Steps that saw the key missing and changed nothing. */
  readonly missing: readonly Step[];
  /** A delete of unknown outcome, if there is one: it may explain a missing key. */
  readonly unknownDelete: Step | null;
  /** What was left out because the order does not settle it; null when nothing was. */
  readonly open: string | null;
}

/** The version a step wrote, or else the one it depends on; 0 when neither is known. */
export function versionOf(step: Step): number {
  return step.effect === "write" ? step.version : step.needsVersion;
}

function undecided(reason: string): Verdict {
  return { kind: "undecided", reason };
}

class EpochCollector {
  readonly #byVersion = new Map<number, Epoch>();
  /** Writes of unknown outcome by value; null where several wrote the same. */
  readonly #unknownByValue = new Map<string, Step | null>();
  readonly #adopted = new Map<Step, number>();
  readonly #missing: Step[] = [];
  #unknownWriteCount = 0;
  #unknownDelete: Step | null = null;
  #open: string | null = null;

  collect(steps: readonly Step[]): EpochOrder | Verdict {
    for (const step of steps) {
      const verdict = this.#takeEffect(step);
      if (verdict !== null) return verdict;
    }
    for (const step of steps) {
      const verdict = step.needs === "value" ? this.#takeRead(step) : null;
      if (verdict !== null) return verdict;
    }
    for (const step of steps) {
      const verdict = step.optional ? null : this.#takeNeeds(step);
      if (verdict !== null) return verdict;
    }
    for (const writer of this.#adopted.keys()) {
      const verdict = this.#takeNeeds(writer);
      if (verdict !== null) return verdict;
    }
    const epochs = [...this.#byVersion.values()].sort((a, b) => a.version - b.version);
    return { epochs, missing: this.#missing, unknownDelete: this.#unknownDelete, open: this.#open };
  }

  #begin(version: number, writer: Step): Epoch {
    const epoch = { version, writer, startMax: null, endMin: null, remover: null };
    this.#byVersion.set(version, epoch);
    return epoch;
  }

  #takeEffect(step: Step): Verdict | null {
    if (step.effect === "delete" && step.optional) this.#unknownDelete ??= step;
    if (step.effect !== "write") return null;
    if (!step.optional) {
      if (step.version === 0) return undecided("a write without a version");
      const twin = this.#byVersion.get(step.version);
      if (twin)
        return violation(
          "version-repeats",
          `two writes have version ${step.version}`,
          twin.writer,
          step,
        );
      this.#begin(step.version, step);
      return null;
    }
    const value = present(step.value ?? undefined, "a write has a value");
    this.#unknownByValue.set(value, this.#unknownByValue.has(value) ? null : step);
    this.#unknownWriteCount += 1;
    return null;
  }

  #takeRead(step: Step): Verdict | null {
    if (step.needsVersion === 0) return undecided("a read without a version");
    const epoch = this.#byVersion.get(step.needsVersion) ?? this.#adopt(step);
    if ("kind" in epoch) return epoch;
    if (epoch.writer.value !== step.needsValue) {
      const { version, writer } = epoch;
      const reason = `version ${version} was read as ${step.needsValue}, but it is ${writer.value}`;
      return violation("value-of-another-version", reason, epoch.writer, step);
    }
    return null;
  }

  #adopt(read: Step): Epoch | Verdict {
    const value = present(read.needsValue ?? undefined, "a read has a value");
    const version = read.needsVersion;
    const writer = this.#unknownByValue.get(value);
    if (writer === null) return undecided("several unknown writes of one value");
    if (writer === undefined) {
      return violation(
        "version-never-written",
        `version ${version} was read as ${value}, which no write can have made`,
        read,
      );
    }
    const other = this.#adopted.get(writer);
    if (other !== undefined) {
      const epoch = this.#byVersion.get(other);
      const reason = `${value} was written once, but read as versions ${other} and ${version}`;
      return violation("value-under-two-versions", reason, epoch?.writer, read);
    }
    this.#adopted.set(writer, version);
    return this.#begin(version, { ...writer, optional: false, version });
  }

  #takeNeeds(step: Step): Verdict | null {
    switch (step.needs) {
      case "anything":
        if (step.effect === "delete") this.#open = "a delete without a version";
        return null;
      case "missing":
        if (step.effect === "none") this.#missing.push(step);
        return null;
      case "value":
      case "version":
        return this.#takeVersion(step);
      default:
        this.#open = "an operation that does not say what it found";
        return null;
    }
  }

  #takeVersion(step: Step): Verdict | null {
    const epoch = this.#byVersion.get(step.needsVersion);
    if (epoch === undefined) {
      if (this.#unknownWriteCount === this.#adopted.size) {
        const reason = `version ${step.needsVersion}, which no write can have made, was seen`;
        return violation("version-never-written", reason, step);
      }
      this.#open = "a version that was seen, but not read";
      return null;
    }
    if (step.effect === "none") {
      if (epoch.startMax === null || step.start > epoch.startMax.start) epoch.startMax = step;
      if (epoch.endMin === null || step.end < epoch.endMin.end) epoch.endMin = step;
    }
    if (step.effect === "delete") {
      if (epoch.remover !== null) {
        const reason = `version ${epoch.version} was deleted twice`;
        return violation("deleted-twice", reason, epoch.writer, epoch.remover, step);
      }
      epoch.remover = step;
    }
    return null;
  }
}

/** Puts what is known about a key in version order, or finds at once that nothing explains it. */
export function orderByVersion(steps: readonly Step[]): EpochOrder | Verdict {
  return new EpochCollector().collect(steps);
}
