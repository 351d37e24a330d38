// The timeline as text: what it looks like, and that it stays within its columns whatever it draws.
import { Prng } from "@pdpm/base";
import { expect, test } from "vitest";
import type { Operation } from "./operation.ts";
import { parseText } from "./testing/history-text.ts";
import { Maker } from "./testing/random-history.ts";
import { drawTimeline, timelineColumnsMax } from "./timeline.ts";

const draw = (text: string): string[] => drawTimeline(parseText(text));

test("one lane a client, intervals in their order, values and versions, an open end", () => {
  const text = `1 0-9 put a 1; 1 10-40 put b 2; 12 5-? cas 1 c; 3 20-30 get a 1; 3 41-50 get -;
    1 50-60 del if 2 !3`;
  expect(draw(text)).toEqual([
    "client 1   [#1 put a v1][#3 put b v2--] [#6 del if v2, found v3]",
    "client 3                 [#4 get a v1] [#5 get -]",
    "client 12   [#2 cas if v1 c ?~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~>",
    "",
    "#1 client 1  0 .. 9 ns  put a v1",
    "#2 client 12  5 .. no answer ns  cas if v1 c ?",
    "#3 client 1  10 .. 40 ns  put b v2",
    "#4 client 3  20 .. 30 ns  get a v1",
    "#5 client 3  41 .. 50 ns  get -",
    "#6 client 1  50 .. 60 ns  del if v2, found v3",
  ]);
});

test("operations of one client that overlap take two rows, touching times overlap", () => {
  expect(draw("1 0-9 put a 1; 1 5-20 get a 1; 1 20-30 get a 1").slice(0, 3)).toEqual([
    "client 1  [#1 put a v1][#3 get a v1]",
    "           [#2 get a v1-]",
    "",
  ]);
});

test("a history on two keys names them", () => {
  expect(draw("1 0-9 put j/a 1; 2 10-19 get a 1").at(-2)).toBe(
    "#1 client 1  0 .. 9 ns  put a v1  on j",
  );
});

/** The left and the right column of the bars, by number, as they can be read off the lanes. */
function columnsOf(lines: readonly string[]): Map<number, [number, number]> {
  const columns = new Map<number, [number, number]>();
  for (const line of lines.slice(0, lines.indexOf(""))) {
    for (const bar of line.matchAll(/\[#(\d+)[^\]>]*[\]>]/g)) {
      columns.set(Number(bar[1]), [bar.index, bar.index + bar[0].length - 1]);
    }
  }
  return columns;
}

test("what ended before another began stands left of it; overlapping ones overlap", () => {
  const prng = new Prng("timeline");
  const shape = { versions: "all", valueCount: 0, unknown: 0.2 } as const;
  for (let i = 0; i < 80; i += 1) {
    const operations = new Maker(prng, { ...shape, operationCount: 1 + prng.below(12) }).make();
    const lines = drawTimeline(operations);
    const columns = columnsOf(lines);
    const sorted = [...operations].sort((a, b) => a.start - b.start);
    expect(columns.size, lines.join("\n")).toBe(operations.length);
    for (const [a, early] of sorted.entries()) {
      for (const [b, late] of sorted.entries()) {
        if (early.outcome === "unknown" || a === b) continue;
        const isLeft = (columns.get(a + 1)?.[1] ?? 0) < (columns.get(b + 1)?.[0] ?? 0);
        expect(isLeft, lines.join("\n")).toBe((early.end ?? 0) < late.start);
      }
    }
  }
});

test("nothing is wider than 100 columns, be it many, long or foreign", () => {
  const prng = new Prng("wide");
  const shape = { versions: "some", valueCount: 0, unknown: 0.3 } as const;
  for (const operationCount of [1, 5, 20, 64, 300]) {
    const made = new Maker(prng, { ...shape, operationCount }).make();
    const operations: Operation[] = made.map((operation, i) => ({
      ...operation,
      client: operation.client * 1_000_000,
      key: "ключ".repeat(i % 20) || "k",
      value: operation.value && `${operation.value}\n\u{1f600}${"w".repeat(i)}`,
    }));
    for (const line of drawTimeline(operations)) {
      expect(line).toMatch(/^[\x20-\x7e]*$/);
      expect(line.length).toBeLessThanOrEqual(timelineColumnsMax);
    }
  }
});
