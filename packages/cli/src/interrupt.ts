// Being told to stop. The first SIGINT, SIGTERM or SIGHUP asks for an orderly end; the second one
// is not caught, so it ends the process at once.

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Calls `then` on the first of `names`. The returned function stops listening. */
function onFirst(
  names: readonly NodeJS.Signals[],
  then: (name: NodeJS.Signals) => void,
): () => void {
  const listener = (name: NodeJS.Signals): void => {
    forget();
    then(name);
  };
  const forget = (): void => {
    for (const name of names) process.removeListener(name, listener);
  };
  for (const name of names) process.on(name, listener);
  return forget;
}

/**
 * Runs `work` with a signal that fires when the process is told to stop. When that happened, and
 * `work` has let go of everything, the process dies of the signal, as its parent expects.
 */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const stop = new AbortController();
  let caught: NodeJS.Signals | undefined;
  const forget = onFirst(signals, (name) => {
    caught = name;
    stop.abort();
  });
  try {
    return await work(stop.signal);
  } finally {
    forget();
    if (caught !== undefined) process.kill(process.pid, caught);
  }
}

/**
 * Resolves when the process is told to stop. A process that was forked by another of ours
 * (child.ts) is told by SIGTERM, or by losing its parent; a Ctrl-C, which reaches the whole group,
 * it leaves to its parent.
 */
export function untilStopped(): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined) {
      onFirst(signals, () => resolve());
      return;
    }
    for (const name of ["SIGINT", "SIGHUP"] as const) process.on(name, () => undefined);
    const forget = onFirst(["SIGTERM"], () => resolve());
    process.once("disconnect", () => {
      forget();
      resolve();
    });
  });
}
