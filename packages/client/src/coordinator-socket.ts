// Where the coordinator of an embedded store listens: a Unix socket in the store's directory, so
// that whoever has the directory finds it, whatever its environment says.
//
// What must hold: the kernel takes a socket's path only up to 107 bytes. A longer one goes through
// a descriptor of the directory, which stays open as long as anybody listens or connects there.

import { closeSync, constants, openSync, rmSync } from "node:fs";
import { join } from "node:path";

/** The kernel takes 108 bytes, with the final zero. */
const pathBytesMost = 107;
const name = "coordinator.sock";

/** The socket of one directory, as this client reaches it. */
export class CoordinatorSocket {
  /** What to listen at, or to connect to. */
  readonly path: string;
  readonly #file: string;
  #descriptor: number | undefined;

  constructor(directory: string) {
    this.#file = join(directory, name);
    if (Buffer.byteLength(this.#file) <= pathBytesMost) {
      this.path = this.#file;
      return;
    }
    this.#descriptor = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
    this.path = `/proc/self/fd/${this.#descriptor}/${name}`;
  }

  /** Removes what a dead host has left there. Only for who holds the coordinator's lock. */
  remove(): void {
    rmSync(this.#file, { force: true });
  }

  /** Nobody here listens or connects any more. */
  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }
}
