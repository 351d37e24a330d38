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
  #stderr = "";

  /** Starts `pdpm` with `words`; `name` is for messages. */
  constructor(name: string, words: readonly string[]) {
    this.name = name;
    this.#process = fork(program, [...words], {
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      serialization: "advanced",
    });
    this.exited = new Promise((resolve) => {
      this.#process.once("exit", (code, signal) => resolve({ code, signal }));
      this.#process.once("error", () => resolve({ code: 1, signal: null }));
    });
    this.#process.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-stderrCharactersMost);
    });
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** Whether it has ended. */
  get isGone(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null;
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

  /** Ends it: a polite word, and after a while an end. Settles when it is gone. */
  async stop(): Promise<Exit> {
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
