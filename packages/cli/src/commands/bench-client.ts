// `pdpm bench-client`, started by a bench and by nothing else: does what its parent asks over the
// IPC channel, and ends when the parent says so or is gone.

import { isPdpmError, systemClock } from "@pdpm/base";
import { BenchClient } from "../bench/bench-client.ts";
import type { StepAnswer, StepMessage } from "../bench/steps.ts";
import { usageError } from "../failure.ts";
import { untilStopped } from "../interrupt.ts";
import { exitCodes, type Verb } from "../verb.ts";

/** When the parent is gone and something does not let go, nobody is left to wait for it. */
const lastMs = 5000;

/** See the head of this file. */
export const verb: Verb = {
  define: () => undefined,
  examples: "",
  async run() {
    if (process.send === undefined) throw usageError("bench-client is started by `pdpm bench`");
    const stop = new AbortController();
    const client = new BenchClient(stop.signal);
    let last: Promise<void> = Promise.resolve();
    const ended = new Promise<void>((resolve) => {
      process.on("message", (message: StepMessage) => {
        last = last.then(async () => {
          answer(await take(client, message));
          if (message.step === "end") resolve();
        });
      });
    });
    await Promise.race([ended, untilStopped()]);
    stop.abort();
    systemClock.after(lastMs, () => process.exit(exitCodes.failed), { holds: false });
    await last;
    await client.end();
    if (process.connected) process.disconnect();
    return exitCodes.ok;
  },
};

async function take(client: BenchClient, { step, ask }: StepMessage): Promise<StepAnswer> {
  try {
    const work = client[step] as (ask: unknown) => Promise<unknown>;
    return { ok: true, reply: await work.call(client, ask) };
  } catch (error) {
    if (isPdpmError(error)) return { ok: false, code: error.code, text: error.text };
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { ok: false, code: "INTERNAL", text };
  }
}

function answer(message: StepAnswer): void {
  // When the parent is gone nobody wants the answer.
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}
