// Being told to stop. The first SIGINT, SIGTERM or SIGHUP asks for an orderly end; the second one is
// not caught, so it ends the process at once.

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Calls `then` on the first signal. The returned function stops listening. */
function onStop(then: (name: NodeJS.Signals) => void): () => void {
  const listener = (name: NodeJS.Signals): void => {
    forget();
    then(name);
  };
  const forget = (): void => {
    for (const name of signals) process.removeListener(name, listener);
  };
  for (const name of signals) process.on(name, listener);
  return forget;
}

/**
 * Runs `work` with a signal that fires when the process is told to stop. When that happened, and
 * `work` has let go of everything, the process dies of the signal, as its parent expects.
 */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const stop = new AbortController();
  let caught: NodeJS.Signals | undefined;
  const forget = onStop((name) => {
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

/** Resolves when the process is told to stop, or (for a child that was forked) its parent is gone. */
export function untilStopped(): Promise<void> {
  return new Promise((resolve) => {
    // A person's Ctrl-C reaches the whole group; a child waits for what its parent decides.
    if (process.send !== undefined) process.on("SIGINT", () => undefined);
    const forget = onStop((name) => {
      if (name === "SIGINT" && process.send !== undefined) return;
      resolve();
    });
    process.once("disconnect", () => {
      forget();
      resolve();
    });
  });
}
