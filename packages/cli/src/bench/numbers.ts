// Numbers as people read them.

/** 1,234,567 */
export function grouped(value: number): string {
  return Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, ",");
}

/** With so many digits after the point. */
export function fixed(value: number, digits: number): string {
  return value.toFixed(digits);
}

/** Nanoseconds as microseconds: three digits that matter. */
export function microseconds(nanoseconds: number): string {
  const value = nanoseconds / 1000;
  if (value >= 100) return grouped(value);
  return value.toFixed(value >= 10 ? 1 : 2);
}

/** 42 % */
export function percent(part: number, whole: number): string {
  return whole > 0 ? `${Math.round((100 * part) / whole)} %` : "0 %";
}

/** Columns, each as wide as its widest cell; the first ones to the left, the rest to the right. */
export function columns(rows: readonly (readonly string[])[], leftCount: number): string[] {
  const widths = (rows[0] ?? []).map((_, at) =>
    Math.max(...rows.map((row) => row[at]?.length ?? 0)),
  );
  return rows.map((row) =>
    row
      .map((cell, at) =>
        at < leftCount ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0),
      )
      .join("  ")
      .trimEnd(),
  );
}
