// Reading the values of options: numbers, sizes, names. A wrong one throws what commander turns
// into a usage error that names the option.

import { InvalidArgumentError } from "commander";

type Parser = (text: string) => number;

/** A whole number from `least` to `most`. */
export function whole(least: number, most: number = Number.MAX_SAFE_INTEGER): Parser {
  const range = most === Number.MAX_SAFE_INTEGER ? `${least} or more` : `${least} to ${most}`;
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    throw new InvalidArgumentError(`give a whole number, ${range}`);
  };
}

/** A number from `least` to `most`, with a fraction if need be. */
export function decimal(least: number, most: number = Number.POSITIVE_INFINITY): Parser {
  const range = most === Number.POSITIVE_INFINITY ? `${least} or more` : `${least} to ${most}`;
  return (text) => {
    const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    throw new InvalidArgumentError(`give a number, ${range}`);
  };
}

const powers: Readonly<Record<string, number>> = { k: 1, m: 2, g: 3, t: 4 };

/** A size in bytes: 4194304, 4MiB or 4M (powers of 1024), 4MB (powers of 1000). */
export function bytes(text: string): number {
  const [, number, unit = "", base = ""] = /^(\d+)(?:([kmgt])(ib|b)?|b)?$/i.exec(text) ?? [];
  const kilo = base.toLowerCase() === "b" ? 1000 : 1024;
  const value = Number(number) * kilo ** (powers[unit.toLowerCase()] ?? 0);
  if (Number.isSafeInteger(value)) return value;
  throw new InvalidArgumentError("give bytes, like 67108864, 64MiB or 64MB");
}

/** One of these words. */
export function oneOf(...words: readonly string[]): (text: string) => string {
  return (text) => {
    if (words.includes(text)) return text;
    throw new InvalidArgumentError(`choose one of ${words.join(", ")}`);
  };
}

/** One of `words`; `later` are known, and come with a later version. */
export function oneOfNow(
  words: readonly string[],
  later: readonly string[],
): (text: string) => string {
  const choose = oneOf(...words);
  return (text) => {
    if (!later.includes(text)) return choose(text);
    const here = words.join(", ");
    throw new InvalidArgumentError(`${text} comes with a later version; this one has ${here}`);
  };
}

/** An option that comes with a later version. */
export function notYet(what: string): (text: string) => never {
  return () => {
    throw new InvalidArgumentError(`${what} comes with a later version; leave it away`);
  };
}
