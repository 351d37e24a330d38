// What options take, and what they refuse.

import { expect, test } from "vitest";
import { bytes, decimal, notYet, oneOfNow, whole } from "./option-values.ts";

test("sizes are read in bytes, in powers of 1024, and in powers of 1000", () => {
  const sizes = { "0": 0, "123": 123, "1k": 1024, "64MiB": 2 ** 26, "64m": 2 ** 26, "2G": 2 ** 31 };
  for (const [text, value] of Object.entries(sizes)) expect(bytes(text)).toBe(value);
  expect(bytes("5B")).toBe(5);
  expect(bytes("64MB")).toBe(64e6);
  for (const text of ["", "x", "-1", "1.5MiB", "64 MiB", "5iB", "1e3", "9999999T", "64XB"]) {
    expect(() => bytes(text), text).toThrow("give bytes");
  }
});

test("numbers are what they look like, and within their bounds", () => {
  expect(whole(1, 10)("10")).toBe(10);
  for (const text of ["0", "11", "1.5", "1e1", " 1", "-1", "", "9007199254740993"]) {
    expect(() => whole(1, 10)(text), text).toThrow("1 to 10");
  }
  expect(decimal(0)("0.25")).toBe(0.25);
  for (const text of ["-0.5", ".5", "1.", "Infinity", "NaN", "1e3"]) {
    expect(() => decimal(0)(text), text).toThrow("0 or more");
  }
});

test("what comes later is told from what never will", () => {
  const choose = oneOfNow(["mapped", "ws"], ["sim"]);
  expect(choose("ws")).toBe("ws");
  expect(() => choose("sim")).toThrow("sim comes with a later version; this one has mapped, ws");
  expect(() => choose("tcp")).toThrow("choose one of mapped, ws");
  expect(() => notYet("--report")("x")).toThrow("later version");
});
