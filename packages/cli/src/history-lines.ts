// The lines of a file, one after the other and as text, however the file looks: a line that is not
// UTF-8 or longer than any operation comes as a value that says so, and is not kept in memory.

import { isUtf8 } from "node:buffer";
import { createReadStream } from "node:fs";

/** Longer lines are no operations: a key and a value of the largest size fit, escaped. */
export const lineBytesMax: number = 1024 * 1024;

/** One line, without its line end, or why it is no text. */
export interface FileLine {
  /** Counted from 1. */
  readonly number: number;
  readonly text: string;
  /** Null when the text is the line. */
  readonly problem: string | null;
}

const newline = 0x0a;
const carriageReturn = 0x0d;

function tooLong(number: number): FileLine {
  return { number, text: "", problem: `longer than ${lineBytesMax} bytes` };
}

function toLine(number: number, bytes: Buffer): FileLine {
  if (bytes.length > lineBytesMax) return tooLong(number);
  if (!isUtf8(bytes)) return { number, text: "", problem: "not UTF-8" };
  const end = bytes.at(-1) === carriageReturn ? bytes.length - 1 : bytes.length;
  return { number, text: bytes.toString("utf8", 0, end), problem: null };
}

/** Reads a file line by line, a chunk's lines at a time. A last line needs no line end. */
export async function* readLines(path: string): AsyncGenerator<readonly FileLine[], void> {
  let number = 0;
  let rest: Buffer = Buffer.alloc(0);
  // Whether the line under way was already told to be too long.
  let isTold = false;
  for await (const chunk of createReadStream(path, { highWaterMark: 256 * 1024 })) {
    const lines: FileLine[] = [];
    const bytes = rest.length > 0 ? Buffer.concat([rest, chunk as Buffer]) : (chunk as Buffer);
    let from = 0;
    for (let to = bytes.indexOf(newline); to >= 0; to = bytes.indexOf(newline, from)) {
      if (!isTold) lines.push(toLine(++number, bytes.subarray(from, to)));
      isTold = false;
      from = to + 1;
    }
    rest = bytes.subarray(from);
    if (rest.length > lineBytesMax && !isTold) {
      lines.push(tooLong(++number));
      isTold = true;
    }
    if (isTold) rest = Buffer.alloc(0);
    if (lines.length > 0) yield lines;
  }
  if (rest.length > 0) yield [toLine(number + 1, rest)];
}
