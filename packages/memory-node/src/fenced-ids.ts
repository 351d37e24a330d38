// The client ids that a node refuses one by one, for ever: the file DIR/fenced, one id in decimal a
// line, appended and synced before a fence is answered.
//
// - An id counts once its line is complete; what a crash left behind the last line end is cut off.
// - Ids that are refused anyway are dropped at start.
// - One process uses the file: the holder of the directory's node lock.

import { type FileHandle, open, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { assert, PdpmError } from "@pdpm/base";

/** The name of the file in a node's directory. */
export const fencedFileName = "fenced";
/** More ids than this are not kept; a node restarts as a new incarnation long before. */
export const fencedIdsMost: number = 2 ** 20;

/** See the head of this file. */
export class FencedIds {
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #ids: Set<number>;
  readonly #idsMost: number;
  /** Length of the file, in whole lines. */
  #bytes: number;
  /** Why nothing can be added any more. */
  #failure: PdpmError | undefined;
  #lastWrite: Promise<void> = Promise.resolve();

  private constructor(path: string, file: FileHandle, ids: Set<number>, idsMost: number) {
    this.#path = path;
    this.#file = file;
    this.#ids = ids;
    this.#idsMost = idsMost;
    this.#bytes = textOf(ids).length;
  }

  /**
   * Reads the file, drops ids that `isNeeded` denies, and keeps it open for more.
   * @throws PDPM_CORRUPT when it holds anything but ids, PDPM_UNAVAILABLE when it cannot be used.
   */
  static async open(
    directory: string,
    isNeeded: (id: number) => boolean,
    idsMost: number = fencedIdsMost,
  ): Promise<FencedIds> {
    const path = join(directory, fencedFileName);
    try {
      const found = await readIds(path);
      const ids = new Set(found.filter(isNeeded));
      // Always anew: this also cuts off what a crash left at the end.
      const fresh = `${path}.new`;
      const file = await open(fresh, "w", 0o600);
      await file.writeFile(textOf(ids));
      await file.sync();
      await rename(fresh, path);
      await syncDirectory(directory);
      return new FencedIds(path, file, ids, idsMost);
    } catch (error) {
      throw asFileError(path, error);
    }
  }

  /** How many ids it holds. */
  get count(): number {
    return this.#ids.size;
  }

  /** Whether `id` is durably refused. */
  has(id: number): boolean {
    return this.#ids.has(id);
  }

  /** Resolves when `id` is durably refused. Rejects with PDPM_NO_SPACE or PDPM_UNAVAILABLE. */
  add(id: number): Promise<void> {
    assert(Number.isSafeInteger(id) && id > 0, `${id} is not a client id`);
    const write = this.#lastWrite.then(() => this.#write(id));
    this.#lastWrite = write.catch(() => undefined);
    return write;
  }

  async #write(id: number): Promise<void> {
    if (this.#ids.has(id)) return;
    if (this.#ids.size >= this.#idsMost) {
      const text = `${this.#path} holds ${this.#idsMost} ids; restart the memory node`;
      throw new PdpmError("PDPM_NO_SPACE", text);
    }
    if (this.#failure !== undefined) throw this.#failure;
    const line = `${id}\n`;
    try {
      await this.#file.write(line, this.#bytes);
      await this.#file.datasync();
    } catch (error) {
      throw await this.#failed(asFileError(this.#path, error));
    }
    this.#bytes += line.length;
    this.#ids.add(id);
  }

  /** What stands behind the last good line must not count one day, nor join the next one. */
  async #failed(error: PdpmError): Promise<PdpmError> {
    const isCutOff = await this.#file.truncate(this.#bytes).then(
      () => true,
      () => false,
    );
    // A disk that was full may have room again; a sync that failed is never believed again (H18).
    if (error.code !== "PDPM_NO_SPACE" || !isCutOff) this.#failure = error;
    return error;
  }

  /** Waits for the last write. */
  async close(): Promise<void> {
    await this.#lastWrite;
    await this.#file.close();
  }
}

function textOf(ids: ReadonlySet<number>): string {
  return [...ids].map((id) => `${id}\n`).join("");
}

/** The ids of complete lines. */
async function readIds(path: string): Promise<number[]> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
  const lines = text.slice(0, text.lastIndexOf("\n") + 1).split("\n");
  return lines.flatMap((line) => {
    if (line === "") return [];
    if (/^[1-9][0-9]{0,14}$/.test(line)) return [Number(line)];
    throw new PdpmError("PDPM_CORRUPT", `${path}: "${line.slice(0, 40)}" is not a client id`);
  });
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function asFileError(path: string, error: unknown): PdpmError {
  if (error instanceof PdpmError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  const isFull = code === "ENOSPC" || code === "EDQUOT";
  return new PdpmError(isFull ? "PDPM_NO_SPACE" : "PDPM_UNAVAILABLE", `${path}: ${message}`, {
    cause: error,
  });
}
