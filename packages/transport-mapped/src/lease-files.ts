// Who lives: one file per client in DIR/leases, named by the client's id. A client is alive exactly
// while someone holds the lock on its file, and only the client itself takes that lock before the
// file is listed under its id. The lock falls when the process or the worker thread ends, however.
//
// What must hold:
// - A file is created, filled and locked under a private name, then linked under its id.
// - The descriptor is opened by node:fs: close-on-exec, and closed when its worker thread ends.
// - Whoever finds the lock free writes "dead" into the file, under the lock. From then on the
//   client is dead for everyone, also while someone holds the lock in order to bury it.
// - Ids are never reused, so a file under an id always means the same client.
// Source: FORMAT.md section 7; design section 3 "Embedded".

import { closeSync, fstatSync, mkdirSync, openSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { assert, PdpmError } from "@pdpm/base";
import { parseFacts } from "./file-lock.ts";
import { type Libc, systemLibc } from "./libc.ts";
import { PrivateFile, removeName, sweepPrivateFiles } from "./private-file.ts";
import { type ProcessFacts, thisProcess } from "./processes.ts";
import { asPdpmError, hasCode, writeNote } from "./system-error.ts";

/** A client's own lease: it is alive until it is released or its thread ends. */
export interface Lease {
  readonly id: number;
  /** Removes the file and lets go of the lock. The second time does nothing. */
  release(): void;
}

/** The right to bury one dead client: nobody else has it meanwhile. */
export interface Grave {
  /** What the dead one held is settled: removes its file. */
  buried(): void;
  /** Leaves the file to the next who asks. */
  leave(): void;
}

/** What is known of a client. `owner` is null when its file cannot be read. */
export type Judgement =
  | {
      readonly state: "alive";
      readonly pid: number;
      readonly command: string;
      readonly owner: Owner;
    }
  /** `grave` is null while another process buries it. */
  | { readonly state: "dead"; readonly grave: Grave | null; readonly owner: Owner }
  | { readonly state: "unknown" };

type Owner = ProcessFacts | null;

const deadMark = "dead\n";
const prefix = "lease";

/** The leases of one directory. */
export class LeaseFiles {
  readonly #libc: Libc;
  readonly #directory: string;

  /** `directory` is the store's or the memory node's; the leases are in its folder `leases`. */
  constructor(directory: string, libc: Libc = systemLibc()) {
    this.#libc = libc;
    this.#directory = join(directory, "leases");
    try {
      mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw asPdpmError(`cannot make ${this.#directory}`, error);
    }
  }

  /**
   * Makes client `id` alive, held by this thread. `facts` are further facts for who reads the file.
   * @throws PDPM_CORRUPT when the id was handed out before and its file is still there.
   */
  take(id: number, facts: Readonly<Record<string, unknown>> = {}): Lease {
    assert(Number.isSafeInteger(id) && id > 0, `client id ${id} is not a positive integer`);
    const file = PrivateFile.make(this.#libc, this.#directory, prefix);
    let held = false;
    try {
      writeNote(file.descriptor, `${JSON.stringify({ ...facts, ...thisProcess() })}\n`);
      held = file.publish(this.#path(id));
      if (!held) throw new PdpmError("PDPM_CORRUPT", `client id ${id} was handed out twice`);
    } finally {
      if (!held) file.discard();
    }
    const release = (): void => {
      if (!held) return;
      held = false;
      removeName(this.#path(id));
      closeSync(file.descriptor);
    };
    return { id, release };
  }

  /**
   * Whether client `id` lives. "unknown" means that it has no file: it was released, buried, or its
   * id was handed out but never used; in each case nobody lives under it, nor ever will.
   *
   * A grave that comes with "dead" holds the file's lock until `buried` or `leave` is called.
   */
  judge(id: number): Judgement {
    let descriptor: number;
    try {
      descriptor = openSync(this.#path(id), "r+");
    } catch (error) {
      if (hasCode(error, "ENOENT")) return { state: "unknown" };
      throw asPdpmError(`cannot open ${this.#path(id)}`, error);
    }
    const locked = this.#libc.tryLock(descriptor, "exclusive");
    const text = readFileSync(descriptor, "utf8");
    const owner = parseFacts(text.split("\n")[0] ?? "");
    if (locked && fstatSync(descriptor).nlink > 0) {
      if (!text.endsWith(deadMark)) writeNote(descriptor, `\n${deadMark}`);
      return { state: "dead", grave: this.#grave(id, descriptor), owner };
    }
    closeSync(descriptor);
    // Buried between our open and our lock.
    if (locked) return { state: "unknown" };
    if (text.endsWith(deadMark)) return { state: "dead", grave: null, owner };
    return { state: "alive", pid: owner?.pid ?? 0, command: owner?.command ?? "?", owner };
  }

  /** The ids that have a file, ascending: living clients, and dead ones that nobody buried yet. */
  scan(): number[] {
    sweepPrivateFiles(this.#libc, this.#directory, prefix);
    const names = readdirSync(this.#directory).filter((name) => /^[1-9][0-9]*$/.test(name));
    return names.map(Number).sort((one, other) => one - other);
  }

  #path(id: number): string {
    return join(this.#directory, String(id));
  }

  #grave(id: number, descriptor: number): Grave {
    let open = true;
    const close = (): void => {
      if (open) closeSync(descriptor);
      open = false;
    };
    const buried = (): void => {
      if (open) removeName(this.#path(id));
      close();
    };
    return { buried, leave: close };
  }
}
