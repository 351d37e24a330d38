// Processes of our own: started, listened to, and ended by their pid. The one place that does so.
//
// What must hold:
// - No child outlives this process, however it ends: each has an IPC channel, and ends when the
//   channel does (see untilStopped). A child that is stopped or hangs is killed after a while.
// - A child takes no signal of the terminal: it ends when we say so, after we have let go of it.

import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { PdpmError, systemClock } from "@pdpm/base";

const program = fileURLToPath(new URL("../bin/pdpm.js", import.meta.url));
/** A child says that it is ready by then. */
const readyMs = 20_000;
/** After a polite word it gets this long. */
const graceMs = 5000;
const stderrCharactersMost = 4000;

/** How a process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** One `pdpm` process of ours. */
export class Child {
  readonly name: string;
  /** Settles when it is gone. */
  readonly exited: Promise<Exit>;
  readonly #process: ChildProcess;
  #exit: Exit | undefined;
  #stderr = "";

  /** Starts `pdpm` with `words`; `name` is for messages. */
  constructor(name: string, words: readonly string[]) {
    this.name = name;
    this.#process = fork(program, [...words], {
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      serialization: "advanced",
    });
    this.exited = new Promise((resolve) => {
      const end = (code: number | null, signal: NodeJS.Signals | null): void => {
        this.#exit = { code, signal };
        resolve(this.#exit);
      };
      // "close": what it said last was read, too.
      this.#process.once("close", end);
      this.#process.once("error", () => end(1, null));
    });
    this.#process.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-stderrCharactersMost);
    });
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** How it ended; undefined while it runs. */
  get exit(): Exit | undefined {
    return this.#exit;
  }

  /** The last that it said on stderr. */
  get lastWords(): string {
    return this.#stderr.trim().split("\n").at(-1) ?? "";
  }

  /** The first line of its stdout. Rejects with PDPM_UNAVAILABLE when it ends or hangs before. */
  firstLine(): Promise<string> {
    return new Promise((resolve, reject) => {
      const fail = (why: string): void =>
        reject(new PdpmError("PDPM_UNAVAILABLE", `${this.name} did not start: ${why}`));
      const cancel = systemClock.after(readyMs, () => fail(`no word in ${readyMs} ms`));
      let text = "";
      this.#process.stdout?.setEncoding("utf8").on("data", (part: string) => {
        text += part;
        if (!text.includes("\n")) return;
        cancel();
        resolve(text.slice(0, text.indexOf("\n")));
      });
      void this.exited.then((exit) => {
        cancel();
        fail(this.lastWords || exitText(exit));
      });
    });
  }

  /** Sends a message; one that does not arrive shows in `exited`. */
  send(message: object): void {
    if (this.#process.connected) this.#process.send(message, () => undefined);
  }

  /** Calls `then` with each message. */
  onMessage(then: (message: unknown) => void): void {
    this.#process.on("message", then);
  }

  /** Waits for its own end, and helps after a while. */
  async leave(): Promise<Exit> {
    const cancel = systemClock.after(graceMs, () => void this.stop()); // Never rejects.
    const exit = await this.exited;
    cancel();
    return exit;
  }

  /** Ends it: a polite word, and after a while an end. Settles when it is gone. */
  async stop(): Promise<Exit> {
    if (this.#exit !== undefined) return this.#exit;
    const cancel = systemClock.after(graceMs, () => this.#process.kill("SIGKILL"));
    this.#process.kill("SIGTERM");
    const exit = await this.exited;
    cancel();
    return exit;
  }
}

/** How a process ended, in words. */
export function exitText({ code, signal }: Exit): string {
  return signal === null ? `ended with exit code ${code}` : `ended by ${signal}`;
}
