// Every option of open() and connect() is checked by name, type and range before anything happens.

import type { PdpmError } from "@pdpm/base";
import { expect, test } from "vitest";
import { bytesCodec, codecs } from "./codecs.ts";
import { clientOptions } from "./options.ts";

const MIB = 2 ** 20;

function errorOf(options: unknown, of: "open" | "connect" = "open"): PdpmError {
  try {
    clientOptions(options as never, of);
  } catch (error) {
    return error as PdpmError;
  }
  throw new Error(`nothing was wrong with ${JSON.stringify(options)}`);
}

test("what is not given has its default, or stays open where it concerns a new store", () => {
  expect(clientOptions({}, "open")).toEqual({
    design: undefined,
    durability: undefined,
    maxBytes: undefined,
    chunkBytes: undefined,
    timeoutMs: 5000,
    transport: "auto",
    codec: bytesCodec,
    cursors: undefined,
    eviction: undefined,
  });
});

test("what is given comes through", () => {
  const given = {
    design: "direct",
    durability: "process",
    maxBytes: 64 * MIB,
    chunkBytes: 4 * MIB,
    timeoutMs: 0,
    transport: "mapped",
    cursors: 1000,
    eviction: "lru",
  } as const;
  expect(clientOptions({ ...given, codec: "json" }, "open")).toEqual({
    ...given,
    codec: codecs.json,
  });
  expect(clientOptions({ transport: "ws", timeoutMs: Infinity }, "connect").transport).toBe("ws");
});

test("a value of a wrong type or range is refused, and the option is named", () => {
  const wrong: Record<string, unknown[]> = {
    design: ["Direct", "", 7, null],
    durability: ["disk", true, null],
    maxBytes: [0, -1, 1.5, Number.NaN, Infinity, "64", 4 * MIB - 1],
    chunkBytes: [0, MIB, 5 * MIB, 128 * MIB, 2 ** 22 + 1, Number.NaN, "4"],
    timeoutMs: [-1, Number.NaN, "5", null],
    transport: ["rdma", "", null],
    codec: ["yaml", 7, null, { name: "x" }],
    cursors: [0, -1, 0.5, Number.NaN, "1"],
    eviction: ["LRU", "", 1, null],
  };
  for (const [name, values] of Object.entries(wrong)) {
    for (const value of values) {
      const error = errorOf({ [name]: value });
      expect(error.code).toBe("PDPM_INVALID_ARGUMENT");
      expect(error.message).toContain(`open: option ${name} must `);
    }
  }
});

test("every size of a chunk that is allowed is taken", () => {
  for (const mib of [4, 8, 16, 32, 64]) {
    expect(clientOptions({ chunkBytes: mib * MIB }, "open").chunkBytes).toBe(mib * MIB);
  }
});

test("an unknown name is refused, and the known ones are listed", () => {
  const error = errorOf({ durabilty: "power" }, "connect");
  expect(error.code).toBe("PDPM_INVALID_ARGUMENT");
  expect(error.message).toContain('connect: there is no option "durabilty"');
  expect(error.message).toContain("durability");
  for (const options of [null, 7, "direct", []]) {
    expect(errorOf(options).message).toContain("options must be an object");
  }
});

test("options that contradict each other are refused", () => {
  const small = errorOf({ maxBytes: 8 * MIB, chunkBytes: 16 * MIB });
  expect(small.message).toContain("maxBytes");
  expect(errorOf({ transport: "ws" }).message).toContain("a directory is always mapped");
});
