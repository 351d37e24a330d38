// A few operations as text: one lane per client, time from left to right, each operation a bar from
// its start to its end with what it did in it. The columns keep the order of all starts and ends,
// not their distances; the times stand below. At most `timelineColumnsMax` columns, in ASCII.
//
//   client 1  [#1 put a v1][#2 put b v2]
//   client 2                             [#3 get a v1]
//
// A bar that ends in ">" may take effect at any later time, or never did. Operations of one client
// that overlap take more than one row.

import type { Operation } from "./operation.ts";
import { keyText, operationText } from "./operation-text.ts";

/** No line is wider. */
export const timelineColumnsMax = 100;

interface Bar {
  readonly operation: Operation;
  readonly number: number;
  readonly isOpen: boolean;
  from: number;
  to: number;
}

interface Moment {
  readonly time: number;
  readonly isEnd: boolean;
  readonly bar: Bar;
}

/** Starts come before ends at the same time: such operations overlap. */
function momentsOf(bars: readonly Bar[]): Moment[] {
  const moments: Moment[] = [];
  for (const bar of bars) {
    const { start, end } = bar.operation;
    moments.push({ time: start, isEnd: false, bar });
    if (!bar.isOpen) moments.push({ time: end ?? start, isEnd: true, bar });
  }
  return moments.sort((a, b) => a.time - b.time || Number(a.isEnd) - Number(b.isEnd));
}

/** Gives every start and end a column, with room for the labels. @returns how many columns */
function place(bars: readonly Bar[], label: (bar: Bar) => string): number {
  let column = -1;
  for (const { isEnd, bar } of momentsOf(bars)) {
    const least = isEnd ? bar.from + label(bar).length + 1 : 0;
    column = Math.max(column + 1, least);
    if (isEnd) bar.to = column;
    else bar.from = column;
  }
  const open = bars.filter(({ isOpen }) => isOpen);
  for (const bar of open) column = Math.max(column, bar.from + label(bar).length + 1);
  for (const bar of open) bar.to = column;
  return column + 1;
}

/** Squeezes the columns into `width`; only where even bare numbers have no room. */
function squeeze(bars: readonly Bar[], columns: number, width: number): void {
  const fit = (column: number) => Math.floor((column * (width - 1)) / Math.max(1, columns - 1));
  for (const bar of bars) {
    bar.from = fit(bar.from);
    bar.to = fit(bar.to);
  }
}

function draw(bar: Bar, label: string): string {
  const inside = Math.max(0, bar.to - bar.from - 1);
  const fill = bar.isOpen ? "~" : "-";
  const text = label.slice(0, inside).padEnd(inside, fill);
  if (bar.to === bar.from) return "|";
  return `[${text}${bar.isOpen ? ">" : "]"}`;
}

/** The rows of one client: each bar in the first row where it has room. */
function drawLane(bars: readonly Bar[], label: (bar: Bar) => string): string[] {
  const rows: string[] = [];
  for (const bar of [...bars].sort((a, b) => a.from - b.from)) {
    let row = rows.findIndex((text) => text.length <= bar.from);
    if (row < 0) row = rows.length;
    rows[row] = `${(rows[row] ?? "").padEnd(bar.from)}${draw(bar, label(bar))}`;
  }
  return rows;
}

function legendOf(bars: readonly Bar[]): string[] {
  const severalKeys = new Set(bars.map(({ operation }) => operation.key)).size > 1;
  return bars.map(({ number, operation }) => {
    const { client, start, end } = operation;
    const head = `#${number} client ${client}  ${start} .. ${end ?? "no answer"} ns  `;
    const where = severalKeys ? `  on ${keyText(operation.key)}` : "";
    return `${head}${operationText(operation, 24)}${where}`.slice(0, timelineColumnsMax);
  });
}

/** The lines of the timeline of these operations, without line ends. */
export function drawTimeline(operations: readonly Operation[]): string[] {
  const bars = [...operations]
    .sort((a, b) => a.start - b.start)
    .map((operation, index): Bar => {
      const isOpen = operation.outcome === "unknown" || operation.end === null;
      return { operation, number: index + 1, isOpen, from: 0, to: 0 };
    });
  const clients = [...new Set(bars.map(({ operation }) => operation.client))].sort((a, b) => a - b);
  const head = Math.max(...clients.map((client) => `client ${client}`.length)) + 2;
  const width = timelineColumnsMax - head;
  const labels = [
    (bar: Bar) => `#${bar.number} ${operationText(bar.operation, 24)}`,
    (bar: Bar) => `#${bar.number} ${operationText(bar.operation, 10)}`,
  ];
  const bare = (bar: Bar): string => `#${bar.number}`;
  const label = labels.find((candidate) => place(bars, candidate) <= width) ?? bare;
  const columns = place(bars, label);
  if (columns > width) squeeze(bars, columns, width);
  const lanes = clients.flatMap((client) => {
    const own = bars.filter(({ operation }) => operation.client === client);
    const rows = drawLane(own, label);
    return rows.map((row, i) => `${(i === 0 ? `client ${client}` : "").padEnd(head)}${row}`);
  });
  return [...lanes, "", ...legendOf(bars)];
}
