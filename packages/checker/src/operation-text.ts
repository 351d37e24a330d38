// One operation in a few words of printable ASCII: what was asked, the value, the version, the
// answer. `put a v1`, `get -` (missing), `cas if v1 b v2`, `cas if v1 b, found v3`, `del v1`.

import type { Operation } from "./operation.ts";

/** A value or a key in at most `lengthMax` characters of printable ASCII. */
function shorten(text: string, lengthMax: number): string {
  const escaped = text.replace(/[^\x21-\x7e]/gu, (c) => `\\u{${c.codePointAt(0)?.toString(16)}}`);
  if (escaped.length <= lengthMax) return escaped;
  return `${escaped.slice(0, lengthMax - 2)}..`;
}

function answerOf({ op, value, version, outcome }: Operation): string {
  if (outcome === "not-applied") return ", not applied";
  if (outcome === "unknown") return " ?";
  if (outcome === "conflict") {
    if (version === null) return ", conflict";
    return version === 0 ? ", found none" : `, found v${version}`;
  }
  if (op === "delete" && version === null) return " -";
  if (op === "get" && value === null) return " -";
  return version === null ? "" : ` v${version}`;
}

/** An operation in words, its value in at most `lengthMax` characters. */
export function operationText(operation: Operation, lengthMax: number): string {
  const { op, ifVersion, value } = operation;
  const verb = op === "delete" ? "del" : op;
  const condition = ifVersion === null ? "" : ` if ${ifVersion === 0 ? "none" : `v${ifVersion}`}`;
  const what = value === null ? "" : ` ${shorten(value, lengthMax)}`;
  return `${verb}${condition}${what}${answerOf(operation)}`;
}

/** A key as a line of text shows it. */
export function keyText(key: string): string {
  return shorten(key, 40);
}
