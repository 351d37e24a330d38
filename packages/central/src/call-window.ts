// Bounds how many calls of one client are under way; the others wait in line, first come, first
// served. A coordinator ends the connection of a client that asks for too much at once.

import type { CallHandler } from "@pdpm/verbs";

/** Calls under way of one client: well below what a server allows a connection. */
export const callsMost = 1024;

/** The same handler, for `most` calls at a time. */
export function bounded(handler: CallHandler, most: number = callsMost): CallHandler {
  let underWay = 0;
  const waiting: (() => void)[] = [];
  const end = (): void => {
    const next = waiting.shift();
    if (next === undefined) underWay -= 1;
    else next();
  };
  const answer = async (request: unknown): Promise<unknown> => {
    try {
      return await handler(request);
    } finally {
      end();
    }
  };
  return (request) => {
    if (underWay < most) {
      underWay += 1;
      return answer(request);
    }
    return new Promise((resolve, reject) => {
      waiting.push(() => void answer(request).then(resolve, reject)); // Settles the promise above.
    });
  };
}
