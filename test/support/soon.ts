// Something that fails while a server is away, and works once it is back.

import { isPdpmError } from "@pdpm/base";

/** Runs `work` until it does not fail any more; it must within `mostMs`. */
export async function soon<T>(mostMs: number, work: () => Promise<T>): Promise<T> {
  const start = performance.now();
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!isPdpmError(error) || performance.now() - start > mostMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
