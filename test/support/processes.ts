// Real processes for tests: a child runs a script on the built packages, talks in lines, and is
// always ended by its pid, also when the test fails or the test runner itself dies.
//
// What must hold:
// - A child whose stdin ends (because its parent died) ends, unless it asked to be left alone.
// - `endAll` ends every child that was started and waits for it; a stopped one, too.
// - Every wait of a test for a child has a bound.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach } from "vitest";

/** Scripts resolve packages, hence their builds, from here. */
export const top: string = join(import.meta.dirname, "..", "..");
/** A child says its next line by then, unless a test says otherwise. */
const lineMs = 30_000;

/** What every script of a child may use. */
const prelude = `
  import { hostNanoseconds, sleep, systemClock } from "@pdpm/base";
  import { connect, open } from "pdpm";
  const given = JSON.parse(process.argv.at(-1));
  const say = (what) => void process.stdout.write(JSON.stringify(what) + "\\n");
  const openStore = (options = {}) =>
    given.url ? connect(given.url, { ...given.options, ...options })
      : open(given.directory, { ...given.options, ...options });
`;
/** Ends an orphan; `heard` are the lines that the test sends. */
const listening = `
  import { createInterface } from "node:readline";
  const heard = createInterface({ input: process.stdin });
  heard.on("close", () => process.exit(99));
`;

/** How a child is started. */
export interface ChildOptions {
  /** What the script sees as `given`. */
  readonly given?: Readonly<Record<string, unknown>>;
  /** False: nothing but the script itself holds the event loop. @defaultValue true */
  readonly listens?: boolean;
  /** A program to run the child under, with its arguments: "strace", ... */
  readonly under?: readonly string[];
}

/** How a process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** One child process. */
export class Child {
  readonly exited: Promise<Exit>;
  readonly #process: ChildProcess;
  readonly #lines: unknown[] = [];
  readonly #waiting: (() => void)[] = [];
  #errors = "";
  #isOver = false;

  constructor(script: string, options: ChildOptions = {}) {
    const { given = {}, listens = true, under = [] } = options;
    const source = prelude + (listens ? listening : "") + script;
    const node = [process.execPath, "--input-type=module", "-e", source, "--"];
    const [command, ...words] = [...under, ...node, JSON.stringify(given)];
    const child = spawn(command as string, words, {
      cwd: top,
      stdio: [listens ? "pipe" : "ignore", "pipe", "pipe"],
    });
    this.#process = child;
    // A child that is gone cannot be written to; that shows in what it says, or not at all.
    child.stdin?.on("error", () => undefined);
    let text = "";
    child.stdout?.setEncoding("utf8").on("data", (part: string) => {
      const parts = (text + part).split("\n");
      text = parts.pop() as string;
      for (const line of parts) this.#lines.push(JSON.parse(line));
      this.#wake();
    });
    child.stderr?.setEncoding("utf8").on("data", (part: string) => {
      this.#errors = (this.#errors + part).slice(-8000);
    });
    this.exited = once(child, "close").then(([code, signal]) => {
      this.#isOver = true;
      this.#wake();
      return { code, signal } as Exit;
    });
  }

  get pid(): number {
    return this.#process.pid as number;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** What it wrote to stderr, the end of it. */
  get errors(): string {
    return this.#errors;
  }

  /** The next thing that it said. Rejects when it ends or stays silent instead. */
  async line<T = unknown>(timeoutMs: number = lineMs): Promise<T> {
    const isThere = (): boolean => this.#lines.length > 0 || this.#isOver;
    await within(timeoutMs, "a child's line", async () => {
      while (!isThere()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    });
    if (this.#lines.length > 0) return this.#lines.shift() as T;
    throw new Error(`the child ended: ${JSON.stringify(await this.exited)}\n${this.#errors}`);
  }

  /** What it has said and nobody has read. */
  rest<T = unknown>(): T[] {
    return this.#lines.splice(0) as T[];
  }

  /** Says something that `heard` gets as a line. */
  tell(what: unknown): void {
    this.#process.stdin?.write(`${JSON.stringify(what)}\n`);
  }

  signal(signal: NodeJS.Signals): void {
    if (!this.#isOver) this.#process.kill(signal);
  }

  /** Waits for its own end. */
  end(timeoutMs: number = lineMs): Promise<Exit> {
    return within(timeoutMs, "a child's end", () => this.exited);
  }

  /** SIGKILL, and waits until it is gone. */
  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.end();
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

/** Fails after `timeoutMs` if `work` has not ended; the work itself goes on. */
export async function within<T>(
  timeoutMs: number,
  what: string,
  work: () => Promise<T>,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took over ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    return await Promise.race([work(), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** What a test file's tests use up: processes, directories, and ends of other things. */
export class Scene {
  readonly #children: Child[] = [];
  readonly #ends: (() => Promise<unknown>)[] = [];

  /** Declares the clean-up of every test of this file. */
  constructor() {
    afterEach(() => this.endAll());
  }

  start(script: string, options: ChildOptions = {}): Child {
    const child = new Child(script, options);
    this.#children.push(child);
    return child;
  }

  /** `end` is called after the test, while its children still run; the latest first. */
  after(end: () => Promise<unknown>): void {
    this.#ends.unshift(end);
  }

  /** A directory of the test's own. "disk": durable, not tmpfs. */
  async directory(on: "disk" | "memory"): Promise<string> {
    const path = await mkdtemp(
      join(on === "disk" ? await diskDirectory() : "/dev/shm", "pdpm-test-"),
    );
    this.#ends.push(() => rm(path, { recursive: true, force: true }));
    return path;
  }

  async endAll(): Promise<void> {
    const failures: unknown[] = [];
    const removals = this.#ends.splice(0);
    const children = this.#children.splice(0);
    const run = async (end: () => Promise<unknown>): Promise<void> => {
      await within(20_000, "a clean-up", end).catch((error: unknown) => failures.push(error));
    };
    await run(() => Promise.all(children.map((child) => child.kill())));
    for (const end of removals) await run(end);
    if (failures.length > 0) throw new AggregateError(failures, "clean-up after a test failed");
  }
}

const tmpfsMagic = 0x01021994;

/** A directory whose files stand on a disk. */
async function diskDirectory(): Promise<string> {
  for (const path of [tmpdir(), "/var/tmp", top]) {
    if ((await statfs(path)).type !== tmpfsMagic) return path;
  }
  throw new Error("every candidate directory is a tmpfs; set TMPDIR to a directory on a disk");
}
