// Writing to stdout and stderr.
//
// - A reader that went away (`pdpm keys | head`) is no failure: from then on output is dropped, and
//   loops that produce it ask `isOutputWanted`.
// - Progress appears only where a person sees it: when stderr is a terminal.

let isWanted = true;

/** Makes a broken pipe harmless; once, at the start. */
export function guardOutput(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
      if (stream === process.stdout) isWanted = false;
    });
  }
}

/** False once nobody reads stdout any more. */
export function isOutputWanted(): boolean {
  return isWanted;
}

/** Writes data to stdout, as it is. Resolves when it has left the process, or nobody wants it. */
export function writeData(data: string | Uint8Array): Promise<void> {
  if (!isWanted || data.length === 0) return Promise.resolve();
  return new Promise((resolve) => {
    process.stdout.write(data, () => resolve());
  });
}

/** Writes one line to stdout. */
export function writeLine(line: string): Promise<void> {
  return writeData(`${line}\n`);
}

/** Writes a value as one line of JSON to stdout. */
export function writeJson(value: unknown): Promise<void> {
  return writeLine(JSON.stringify(value));
}

/** Tells the person at the terminal something; one line on stderr. */
export function notice(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Shows what is going on, if stderr is a terminal: a line that the next one replaces. */
export function progress(line: string): void {
  if (!process.stderr.isTTY) return;
  const columns = process.stderr.columns || 80;
  process.stderr.write(`\r\u001b[K${line.slice(0, columns - 1)}`);
}

/** Bytes as JSON shows them: text where they are UTF-8, else `{"base64": ...}`. */
export function jsonBytes(bytes: Uint8Array): string | { base64: string } {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return { base64: Buffer.from(bytes).toString("base64") };
  }
}
