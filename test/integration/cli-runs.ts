// Runs of the command `pdpm` for tests: the built program in processes of its own, each ended by
// its pid when the test is over, whatever happened.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Scene, top, within } from "../support/processes.ts";

const program = join(top, "packages/cli/bin/pdpm.js");
/** Every run of these tests ends by then. */
const runMs = 100_000;

/** What came of a run. */
export interface Run {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly bytes: Buffer;
  readonly stdout: string;
  readonly stderr: string;
}

/** How the command is run. */
export interface RunOptions {
  /** What it reads from stdin; without it there is none. */
  readonly input?: Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
}

/** A command that is running. */
export class Running {
  readonly pid: number;
  readonly #process: ChildProcess;
  readonly #out: Buffer[] = [];
  #errors = "";
  readonly #closed: Promise<unknown[]>;

  constructor(scene: Scene, words: readonly string[], { input, env = {} }: RunOptions = {}) {
    const child = spawn(process.execPath, [program, ...words], {
      stdio: [input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
      env: { ...process.env, PDPM_URL: "", ...env },
    });
    this.#process = child;
    this.pid = child.pid as number;
    this.#closed = once(child, "close");
    child.stdout?.on("data", (part: Buffer) => this.#out.push(part));
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#errors += text;
    });
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(input);
    scene.after(async () => {
      if (!isAlive(this.pid)) return;
      child.kill("SIGCONT");
      child.kill("SIGTERM");
      await this.end();
    });
  }

  /** Its stdout so far. */
  get output(): string {
    return Buffer.concat(this.#out).toString();
  }

  /** Waits for the first line on its stdout. */
  firstLine(): Promise<string> {
    return within(30_000, "the first line of pdpm", async () => {
      while (!this.output.includes("\n")) {
        if (this.#process.exitCode !== null) throw new Error(`it ended: ${this.#errors}`);
        await pause(5);
      }
      return this.output.slice(0, this.output.indexOf("\n"));
    });
  }

  signal(name: NodeJS.Signals): void {
    this.#process.kill(name);
  }

  /** Nobody reads its stdout any more. */
  hangUp(): void {
    this.#process.stdout?.destroy();
  }

  async end(): Promise<Run> {
    const [code, signal] = await within(runMs, "a run of pdpm", () => this.#closed);
    const bytes = Buffer.concat(this.#out);
    return {
      code: code as number | null,
      signal: signal as NodeJS.Signals | null,
      bytes,
      stdout: bytes.toString(),
      stderr: this.#errors,
    };
  }
}

/** Runs the command to its end. */
export function pdpm(scene: Scene, words: readonly string[], options?: RunOptions): Promise<Run> {
  return new Running(scene, words, options).end();
}

/** The processes that `pid` has started and that still run: pid and command line. */
export function childrenOf(pid: number): { readonly pid: number; readonly command: string }[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, "utf8");
        const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
        const command = readFileSync(`/proc/${name}/cmdline`, "utf8").replaceAll("\0", " ");
        return parent === pid ? [{ pid: Number(name), command }] : [];
      } catch {
        return []; // It ended meanwhile.
      }
    });
}

/** Whether a process is there and no zombie. */
export function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2)[0] !== "Z";
  } catch {
    return false;
  }
}

/** Waits until `holds`; fails when it does not within `ms`. */
export function eventually(ms: number, what: string, holds: () => boolean): Promise<void> {
  return within(ms, what, async () => {
    while (!holds()) await pause(10);
  });
}

/** The folders of this name that the process `pid` has made in the places for temporary files. */
export function temporaryFolders(name: string, pid: number): string[] {
  return ["/tmp", "/dev/shm"]
    .filter((parent) => existsSync(parent))
    .flatMap((parent) => readdirSync(parent).map((each) => join(parent, each)))
    .filter((path) => path.includes(`/pdpm-${name}-${pid}-`))
    .sort();
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
