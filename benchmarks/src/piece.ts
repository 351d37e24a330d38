// What micro measures: pieces in groups. A group sets up what its pieces need, hands each of them
// to be measured, and clears up.

/** One thing to measure. */
export interface Piece {
  /** Unique, and says what is moved over what. */
  readonly name: string;
  /** How many calls one `run` makes. */
  readonly calls: number;
  readonly run: () => void | Promise<void>;
}

/** Sets up, calls `measure` for each of its pieces in turn, clears up. */
export type Group = (measure: (piece: Piece) => Promise<void>) => Promise<void>;

/** `body` a hundred times. */
export function hundred(name: string, body: (nth: number) => void): Piece {
  const run = (): void => {
    for (let nth = 0; nth < 100; nth += 1) body(nth);
  };
  return { name, calls: 100, run };
}

/** `body` a hundred times, one after the other. */
export function hundredAwaited(name: string, body: (nth: number) => unknown): Piece {
  const run = async (): Promise<void> => {
    for (let nth = 0; nth < 100; nth += 1) await body(nth);
  };
  return { name, calls: 100, run };
}

/** `count` at once. */
export function together(name: string, count: number, body: (nth: number) => unknown): Piece {
  const run = async (): Promise<void> => {
    await Promise.all(Array.from({ length: count }, (_, nth) => body(nth)));
  };
  return { name: `${name}, ${count} in flight`, calls: count, run };
}
