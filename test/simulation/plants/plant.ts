// A planted bug is data: one protection of the production code, taken out where its source is
// loaded for a simulation. Production code has no hooks; a build has no plants.

/** The designs that are simulated. */
export const designs = ["direct", "central", "clover"] as const;

export type Design = (typeof designs)[number];

/** One text of one file that becomes another. `find` stands there exactly once. */
export interface Change {
  /** From the top folder. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** A protection that is taken out. */
export interface Plant extends Change {
  readonly name: string;
  /** The hazard of design section 4 that the protection closes, such as `H7`. */
  readonly hazard: string;
  /** Whose simulation finds it. */
  readonly designs: readonly Design[];
  /** What can go wrong without the protection. */
  readonly why: string;
  /** Other places that have the same protection. */
  readonly also?: readonly Change[];
}

/** All changes of a plant. */
export function changesOf(plant: Plant): readonly Change[] {
  return [plant, ...(plant.also ?? [])];
}

/** `text` of a file with the change made. @throws Error unless `find` stands there once. */
export function changed(text: string, { file, find, replace }: Change): string {
  const parts = text.split(find);
  if (parts.length !== 2) {
    throw new Error(`${file} has ${parts.length - 1} times, not once: ${find}`);
  }
  return parts.join(replace);
}
