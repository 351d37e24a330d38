// A write is carried out once, however often and in whatever order its request arrives.

import { expect, test } from "vitest";
import type { CentralReply, RequestTicket } from "./protocol.ts";
import { RequestWindows } from "./request-windows.ts";

function world(most?: number) {
  const windows = new RequestWindows(7, most);
  const done: string[] = [];
  const ask = (ticket: RequestTicket, what: string): unknown =>
    windows.once(ticket, (): CentralReply => {
      done.push(what);
      return { done: what };
    });
  return { windows, done, ask };
}

test("the same ticket again gets the first answer", () => {
  const { windows, done, ask } = world();
  const ticket = { ...windows.open(), slot: 3, sequence: 1 };
  expect(ask(ticket, "a")).toEqual({ done: "a" });
  expect(ask(ticket, "b")).toEqual({ done: "a" });
  expect(ask({ ...ticket, sequence: 2 }, "c")).toEqual({ done: "c" });
  expect(done).toEqual(["a", "c"]);
});

test("an earlier ticket of the slot is refused, and its outcome is unknown", () => {
  const { windows, done, ask } = world();
  const ticket = { ...windows.open(), slot: 0, sequence: 2 };
  ask(ticket, "b");
  expect(() => ask({ ...ticket, sequence: 1 }, "a")).toThrow(
    expect.objectContaining({ code: "PDPM_INVALID_ARGUMENT", outcome: "unknown" }),
  );
  expect(done).toEqual(["b"]);
});

test("another term, and a client that was never greeted or has left, are refused", () => {
  const { windows, done, ask } = world();
  const greeting = windows.open();
  const ticket = { ...greeting, slot: 0, sequence: 1 };
  expect(ask({ ...ticket, term: 8 }, "a")).toEqual({ refused: true });
  expect(ask({ ...ticket, session: 99 }, "b")).toEqual({ refused: true });
  windows.close({ ...greeting, term: 8 });
  expect(ask(ticket, "c")).toEqual({ done: "c" });
  windows.close(greeting);
  expect(ask({ ...ticket, sequence: 2 }, "d")).toEqual({ refused: true });
  expect(done).toEqual(["c"]);
});

test("beyond the bound the quietest client is forgotten, and refused from then on", () => {
  const { windows, ask } = world(2);
  const first = { ...windows.open(), slot: 0, sequence: 1 };
  const second = { ...windows.open(), slot: 0, sequence: 1 };
  expect(ask(first, "a")).toEqual({ done: "a" });
  const third = { ...windows.open(), slot: 0, sequence: 1 };
  expect(ask(second, "b")).toEqual({ refused: true });
  expect(ask(first, "c")).toEqual({ done: "a" });
  expect(ask(third, "d")).toEqual({ done: "d" });
});
