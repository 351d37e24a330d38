// What may be said of an operation's outcome, from the commit points that it posted.

import { PdpmError } from "@pdpm/base";
import { expect, test } from "vitest";
import { OperationCounters } from "./counters.ts";
import { Operation } from "./operation.ts";
import { commitPoint, compareAndSwap, flush, type Post, read, write } from "./round.ts";

const bytes = new Uint8Array(8);

function fresh(): Operation {
  return new Operation(new OperationCounters(), { post: () => [] });
}

function told(text = "enough"): PdpmError {
  return new PdpmError("PDPM_TIMEOUT", text);
}

/** The outcome after `post` was posted, and answered with `reply` if there is one. */
function outcomeAfter(post: Post, ...reply: unknown[]): string {
  const operation = fresh();
  operation.posting([post]);
  if (reply.length > 0) operation.answered([post], reply);
  return operation.outcome;
}

test("an operation that posted nothing was not applied", () => {
  expect(fresh().outcome).toBe("not-applied");
});

test("posts that are no commit points do not count, whatever became of them", () => {
  const posts = [read(0, 8), write(0, bytes), compareAndSwap(0, 1n, 2n), flush(0, 8)];
  const operation = fresh();
  operation.posting(posts);
  expect(operation.outcome).toBe("not-applied");
  const lost = new PdpmError("PDPM_UNAVAILABLE", "gone", { outcome: "unknown" });
  operation.answered(posts, [bytes, lost, 1n, undefined]);
  expect(operation.outcome).toBe("not-applied");
});

test("a commit point on its way leaves the outcome unknown", () => {
  expect(outcomeAfter(commitPoint(compareAndSwap(0, 1n, 2n)))).toBe("unknown");
  expect(outcomeAfter(commitPoint(write(0, bytes)))).toBe("unknown");
});

test("a lost CAS was not applied, a won one was", () => {
  expect(outcomeAfter(commitPoint(compareAndSwap(0, 1n, 2n)), 7n)).toBe("not-applied");
  expect(outcomeAfter(commitPoint(compareAndSwap(0, 1n, 2n)), 1n)).toBe("unknown");
});

test("a write that was answered took effect", () => {
  expect(outcomeAfter(commitPoint(write(0, bytes)), undefined)).toBe("unknown");
});

test("a failed commit point is as applied as its failure says", () => {
  const refused = new PdpmError("PDPM_INVALID_ARGUMENT", "out of range");
  const cut = new PdpmError("PDPM_UNAVAILABLE", "cut", { outcome: "unknown" });
  for (const post of [commitPoint(write(0, bytes)), commitPoint(compareAndSwap(0, 1n, 2n))]) {
    expect(outcomeAfter(post, refused)).toBe("not-applied");
    expect(outcomeAfter(post, cut)).toBe("unknown");
  }
});

test("of two commit points one that may have worked is enough", () => {
  const operation = fresh();
  const first = [commitPoint(compareAndSwap(0, 1n, 2n)), read(0, 8)];
  operation.posting(first);
  operation.answered(first, [7n, bytes]);
  expect(operation.outcome).toBe("not-applied");
  const second = [commitPoint(compareAndSwap(0, 7n, 8n))];
  operation.posting(second);
  operation.answered(second, [7n]);
  expect(operation.outcome).toBe("unknown");
});

test("a reason to stop is handed out once, and the first one counts", () => {
  const operation = fresh();
  expect(operation.takeTold()).toBeUndefined();
  const first = told("first");
  operation.tell(first);
  operation.tell(told("second"));
  expect(operation.takeTold()).toBe(first);
  expect(operation.takeTold()).toBeUndefined();
});

test("a reason to stop is kept back while a commit point may have worked", () => {
  const operation = fresh();
  const round = [commitPoint(compareAndSwap(0, 1n, 2n))];
  operation.posting(round);
  operation.tell(told());
  expect(operation.takeTold()).toBeUndefined();
  operation.answered(round, [7n]);
  expect(operation.takeTold()).toBeInstanceOf(PdpmError);
});

test("a commit point after the protocol was told to stop is a defect of ours", () => {
  const operation = fresh();
  operation.tell(told());
  operation.takeTold();
  operation.posting([write(0, bytes)]);
  expect(() => operation.posting([commitPoint(write(0, bytes))])).toThrow("after it was told");
});
