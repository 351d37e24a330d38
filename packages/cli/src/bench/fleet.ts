// The client processes of a bench: started together, asked for steps together, and each may die on
// its own: the others go on, and the report names it.

import { type ErrorCode, errorCodes, PdpmError } from "@pdpm/base";
import { Child, exitText } from "../child.ts";
import type { StepAnswer, StepName, Steps } from "./steps.ts";

/** A client that ended before it was told to. */
export interface DeadClient {
  readonly client: number;
  readonly pid: number;
  readonly how: string;
}

/** A process that took part, and its CPU time; null when it died with it. */
export interface ProcessCost {
  readonly role: "client" | "memory-node" | "metadata-server" | "coordinator";
  readonly pid: number;
  readonly cpuSeconds: number | null;
}

/** One client process. */
class Member {
  readonly index: number;
  readonly child: Child;
  #answered: ((answer: StepAnswer) => void) | undefined;

  constructor(index: number) {
    this.index = index;
    this.child = new Child(`client ${index}`, ["bench-client"]);
    this.child.onMessage((message) => this.#answered?.(message as StepAnswer));
  }

  /** @returns the answer, or undefined if the client is gone */
  async ask(step: StepName, ask: unknown): Promise<StepAnswer | undefined> {
    const answer = new Promise<StepAnswer>((resolve) => {
      this.#answered = resolve;
    });
    this.child.send({ step, ask });
    return Promise.race([answer, this.child.exited.then(() => undefined)]);
  }
}

/** See the head of this file. */
export class Fleet {
  readonly #members: readonly Member[];
  #isEnding = false;

  constructor(count: number) {
    this.#members = Array.from({ length: count }, (_, index) => new Member(index));
  }

  /** Index of the first one that lives. */
  get first(): number | undefined {
    return this.#members.find(({ child }) => child.exit === undefined)?.index;
  }

  /** Those that ended too early. */
  get dead(): DeadClient[] {
    if (this.#isEnding) return [];
    return this.#members.flatMap(({ index, child }) => {
      if (child.exit === undefined) return [];
      const words = child.lastWords === "" ? "" : `: ${child.lastWords}`;
      return [{ client: index, pid: child.pid, how: `${exitText(child.exit)}${words}` }];
    });
  }

  /**
   * Asks every client for a step and waits for all of them.
   * @param askOf - What to ask of client i; undefined leaves it out.
   * @returns the replies, by client; undefined for one that is gone or was left out.
   * @throws what a client's step threw; PDPM_UNAVAILABLE when none is left.
   */
  async all<S extends StepName>(
    step: S,
    askOf: (client: number) => Steps[S]["ask"] | undefined,
  ): Promise<(Steps[S]["reply"] | undefined)[]> {
    const answers = await Promise.all(
      this.#members.map(({ index, child }, at) => {
        const ask = askOf(index);
        if (ask === undefined || child.exit !== undefined) return undefined;
        return this.#members[at]?.ask(step, ask);
      }),
    );
    for (const answer of answers) if (answer?.ok === false) throw failureOf(answer);
    if (this.#members.every(({ child }) => child.exit !== undefined)) {
      const words = this.#members[0]?.child.lastWords ?? "";
      throw new PdpmError("PDPM_UNAVAILABLE", `every client of the bench has ended. ${words}`);
    }
    return answers.map((answer) => (answer?.ok ? (answer.reply as Steps[S]["reply"]) : undefined));
  }

  /** Asks one client, the first that lives. @throws as `all` does */
  async one<S extends StepName>(step: S, ask: Steps[S]["ask"]): Promise<Steps[S]["reply"]> {
    const { first } = this;
    const replies = await this.all(step, (client) => (client === first ? ask : undefined));
    const reply = replies.find((each) => each !== undefined);
    if (reply !== undefined) return reply;
    throw new PdpmError("PDPM_UNAVAILABLE", `client ${first} of the bench ended during "${step}"`);
  }

  /** Lets every client end by itself. @returns what each of them was, and its CPU time */
  async end(): Promise<ProcessCost[]> {
    const replies = await this.all("end", () => null);
    this.#isEnding = true;
    await Promise.all(this.#members.map(({ child }) => child.leave()));
    return this.#members.map(({ child }, index) => {
      const cpuSeconds = replies[index]?.cpuSeconds ?? null;
      return { role: "client", pid: child.pid, cpuSeconds };
    });
  }

  /** Ends every client, in the middle of whatever it does. */
  async stop(): Promise<void> {
    this.#isEnding = true;
    await Promise.all(this.#members.map(({ child }) => child.stop()));
  }
}

/** An error that was told by its code and text. */
export function failureOf({ code, text }: { readonly code: string; readonly text: string }): Error {
  if (Object.hasOwn(errorCodes, code)) return new PdpmError(code as ErrorCode, text);
  return new Error(text);
}
