// Frames: FORMAT.md's examples both ways, and that nothing malformed is taken for a frame.

import { readFileSync } from "node:fs";
import { errorCodes } from "@pdpm/base";
import fc from "fast-check";
import { expect, test } from "vitest";
import { formatExample } from "./format-example.ts";
import {
  answerCode,
  answerOutcome,
  decodeControlBody,
  encodeControl,
  FrameKind,
  failureTextBytesMost,
  frameHeaderBytes,
  frameKind,
  frameNumber,
  frameOperation,
  invalidControlFrame,
  invalidReplyFrame,
  invalidRequestFrame,
  Opcode,
  outcomeNumber,
  pad,
  padded,
  partHeaderBytes,
  partMore,
  partRound,
  partVerbs,
  putFrameHeader,
  putPartHeader,
  putReplyHeader,
  putSwapWords,
  putVerbHeader,
  replyBytes,
  replyCode,
  replyFrameBytesMost,
  replyHeaderBytes,
  replyOutcome,
  statusNumber,
  swapDesiredWord,
  swapExpectedWord,
  verbBytes,
  verbFrameBytes,
  verbHeaderBytes,
  verbOffset,
  verbOpcode,
} from "./frame.ts";

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function text(view: DataView, at: number, bytes: number): string {
  return new TextDecoder().decode(new Uint8Array(view.buffer, view.byteOffset + at, bytes));
}

/** The verbs of a frame of rounds, as `round opcode bytes offset`. */
function verbsOf(view: DataView): string[] {
  const found: string[] = [];
  let at: number = frameHeaderBytes;
  for (let part = 0; part < frameNumber(view); part += 1) {
    const head = at;
    at += partHeaderBytes;
    for (let verb = 0; verb < partVerbs(view, head); verb += 1) {
      const opcode = verbOpcode(view, at);
      const bytes = verbBytes(view, at);
      found.push([partRound(view, head), opcode, bytes, verbOffset(view, at)].join(" "));
      at += verbFrameBytes(opcode, bytes);
    }
  }
  expect(at).toBe(view.byteLength);
  return found;
}

test("the example of a frame of rounds decodes to its four verbs", () => {
  const view = viewOf(formatExample("frame-rounds"));
  expect(invalidRequestFrame(view)).toBeNull();
  expect(frameKind(view)).toBe(FrameKind.rounds);
  expect(verbsOf(view)).toEqual(["7 1 16 4096", "8 2 5 8192", "8 3 8 8200", "8 4 16 8192"]);
  expect(partMore(view, 8)).toBe(false);
  expect(text(view, 56, 5)).toBe("hello");
  expect(swapExpectedWord(view, 64)).toBe(1n);
  expect(swapDesiredWord(view, 64)).toBe(2n);
});

test("the same verbs encode to the bytes of the example", () => {
  const bytes = new Uint8Array(112).fill(0xaa);
  const view = viewOf(bytes);
  putFrameHeader(view, FrameKind.rounds, 2);
  putPartHeader(view, 8, 7, 1, false);
  putVerbHeader(view, 16, Opcode.read, 16, 4096);
  putPartHeader(view, 32, 8, 3, false);
  putVerbHeader(view, 40, Opcode.write, 5, 8192);
  bytes.set(new TextEncoder().encode("hello"), 56);
  expect(pad(view, 61, 5)).toBe(64);
  putVerbHeader(view, 64, Opcode.compareAndSwap, 8, 8200);
  putSwapWords(view, 64, 1n, 2n);
  putVerbHeader(view, 96, Opcode.flush, 16, 8192);
  expect(bytes).toEqual(formatExample("frame-rounds"));
});

test("the example of a frame of replies decodes, and encodes to the same bytes", () => {
  const example = formatExample("frame-replies");
  const view = viewOf(example);
  expect(invalidReplyFrame(view)).toBeNull();
  expect([partRound(view, 8), partVerbs(view, 8)]).toEqual([8, 3]);
  expect([replyCode(view, 16), replyBytes(view, 16)]).toEqual([undefined, 0]);
  expect(view.getBigUint64(24 + replyHeaderBytes, true)).toBe(9n);
  expect(replyCode(view, 56)).toBe("PDPM_INVALID_ARGUMENT");
  expect(replyOutcome(view, 56)).toBe("not-applied");
  expect(text(view, 64, replyBytes(view, 56))).toBe("too large");

  const bytes = new Uint8Array(80);
  const made = viewOf(bytes);
  putFrameHeader(made, FrameKind.replies, 2);
  putPartHeader(made, 8, 8, 3, false);
  putReplyHeader(made, 16, 0);
  putReplyHeader(made, 24, 8);
  made.setBigUint64(32, 9n, true);
  putReplyHeader(made, 40, 0);
  putPartHeader(made, 48, 7, 1, false);
  putReplyHeader(made, 56, 9, statusNumber.PDPM_INVALID_ARGUMENT, outcomeNumber("not-applied"));
  bytes.set(new TextEncoder().encode("too large"), 64);
  expect(bytes).toEqual(example);
});

test("the examples of a call and an answer decode, and encode to the same bytes", () => {
  const call = formatExample("frame-call");
  expect(invalidControlFrame(viewOf(call), FrameKind.call)).toBeNull();
  expect(frameOperation(viewOf(call))).toBe("fence");
  expect(frameNumber(viewOf(call))).toBe(3);
  expect(decodeControlBody(call)).toEqual({ id: 17 });
  expect(encodeControl(FrameKind.call, "fence", 3, { id: 17 })).toEqual(call);

  const answer = formatExample("frame-answer");
  expect(invalidControlFrame(viewOf(answer), FrameKind.answer)).toBeNull();
  expect(answerCode(viewOf(answer))).toBe("PDPM_NO_SPACE");
  expect(answerOutcome(viewOf(answer))).toBe("not-applied");
  expect(decodeControlBody(answer)).toEqual({ text: "full" });
  const status = statusNumber.PDPM_NO_SPACE;
  expect(encodeControl(FrameKind.answer, "fence", 3, { text: "full" }, status)).toEqual(answer);
});

test("every error code has a number of its own, and FORMAT.md's list is the code's", () => {
  const numbers = Object.values(statusNumber);
  expect(new Set(numbers).size).toBe(Object.keys(errorCodes).length);
  expect(Math.min(...numbers)).toBe(1);
  expect(Math.max(...numbers)).toBeLessThan(256);
  const document = readFileSync(new URL("../FORMAT.md", import.meta.url), "utf8");
  const listed = [...document.matchAll(/\b(\d+) (PDPM_[A-Z_]+)/g)].map(([, n, code]) => [
    code,
    Number(n),
  ]);
  expect(Object.fromEntries(listed)).toEqual(statusNumber);
});

test("offsets up to 2^64 survive as numbers, absurd ones as no safe integer", () => {
  const view = viewOf(new Uint8Array(verbHeaderBytes));
  for (const offset of [0, 8, 2 ** 32 - 8, 2 ** 32 + 8, 2 ** 52 + 16]) {
    putVerbHeader(view, 0, Opcode.read, 8, offset);
    expect(verbOffset(view, 0)).toBe(offset);
  }
  putVerbHeader(view, 0, Opcode.read, 8, -8);
  expect(Number.isSafeInteger(verbOffset(view, 0))).toBe(false);
});

test("the overhead of a get is 56 bytes, request and reply together", () => {
  const request = frameHeaderBytes + partHeaderBytes + verbFrameBytes(Opcode.read, 1096);
  const reply = frameHeaderBytes + partHeaderBytes + replyHeaderBytes + padded(1096);
  expect(request + reply - 1096).toBe(56);
});

test("no reply takes more than what was reckoned for its verb", () => {
  expect(replyFrameBytesMost(Opcode.read, 1000)).toBe(replyHeaderBytes + 1000);
  expect(replyFrameBytesMost(Opcode.flush, 2 ** 30)).toBe(replyHeaderBytes + failureTextBytesMost);
  // Refused by the node, so it takes a text; and the reckoning stays positive.
  expect(replyFrameBytesMost(Opcode.read, 2 ** 32 - 1)).toBe(
    replyHeaderBytes + failureTextBytesMost,
  );
});

/** The example frame with the bytes at `at` replaced. */
function spoiled(name: string, at: number, ...bytes: number[]): DataView {
  const frame = formatExample(name);
  frame.set(bytes, at);
  return viewOf(frame);
}

test("a request is refused for every field that must not be as it is", () => {
  const why = (at: number, ...bytes: number[]): string =>
    invalidRequestFrame(spoiled("frame-rounds", at, ...bytes)) ?? "valid";
  expect(why(0, 2)).toMatch("kind 2 where 1 belongs");
  expect(why(1, 1)).toMatch("reserved bytes of the frame's header");
  expect(why(4, 1)).toMatch("bytes behind its last part");
  expect(why(4, 3)).toMatch("it ends inside a part's header");
  expect(why(4, 255, 255, 255, 255)).toMatch("it ends inside a part's header");
  expect(why(12, 0)).toMatch("a part of no verbs");
  expect(why(14, 2)).toMatch("more is 2");
  expect(why(15, 1)).toMatch("reserved byte of a part");
  expect(why(16, 0)).toMatch("opcode 0 is unknown");
  expect(why(16, 5)).toMatch("opcode 5 is unknown");
  expect(why(17, 1)).toMatch("reserved bytes of a verb");
  expect(why(36, 4)).toMatch("it ends inside a verb");
  expect(why(44, 255, 255, 255, 255)).toMatch("a write of 4294967295 bytes ends behind it");
  expect(why(63, 1)).toMatch("padding is not zero");
  expect(why(68, 16)).toMatch("a compare-and-swap of 16 bytes");
  // Ranges are the node's to judge, verb by verb.
  expect(why(30, 255, 255)).toBe("valid");
  expect(why(20, 255, 255, 255, 255)).toBe("valid");
});

test("a reply is refused for every field that must not be as it is", () => {
  const why = (at: number, ...bytes: number[]): string =>
    invalidReplyFrame(spoiled("frame-replies", at, ...bytes)) ?? "valid";
  expect(why(0, 1)).toMatch("kind 1 where 2 belongs");
  expect(why(14, 1)).toMatch("more is 1");
  expect(why(16, 200)).toMatch("status 200 is unknown");
  expect(why(17, 1)).toMatch("outcome 1 is unknown");
  expect(why(57, 2)).toMatch("outcome 2 is unknown");
  expect(why(18, 1)).toMatch("reserved bytes are not zero");
  expect(why(28, 255, 255, 255, 255)).toMatch("a reply of 4294967295 bytes ends behind it");
  expect(why(79, 1)).toMatch("padding is not zero");
  expect(why(57, 1)).toBe("valid");
});

test("a call is refused for every field that must not be as it is", () => {
  const why = (at: number, ...bytes: number[]): string =>
    invalidControlFrame(spoiled("frame-call", at, ...bytes), FrameKind.call) ?? "valid";
  expect(why(0, 4)).toMatch("kind 4 where 3 belongs");
  expect(why(1, 99)).toMatch("its operation is unknown");
  expect(why(2, 1)).toMatch("a call with a status");
  expect(why(3, 1)).toMatch("a call with a status");
  const long = encodeControl(FrameKind.call, "stats", 1, { text: "x".repeat(16_000) });
  expect(invalidControlFrame(viewOf(long), FrameKind.call)).toBeNull();
  const longer = new Uint8Array(long.length + 1024);
  longer.set(long);
  expect(invalidControlFrame(viewOf(longer), FrameKind.call)).toMatch("too long");
  for (const body of ["[]", "null", "17", "{", '"x"']) {
    const frame = new Uint8Array(16).fill(0x20);
    frame.set(new TextEncoder().encode(body), 8);
    expect(() => decodeControlBody(frame), body).toThrow(SyntaxError);
  }
});

test("frames cut anywhere are refused", () => {
  for (const [name, invalid] of [
    ["frame-rounds", invalidRequestFrame],
    ["frame-replies", invalidReplyFrame],
  ] as const) {
    const frame = formatExample(name);
    for (let bytes = 0; bytes < frame.length; bytes += 1) {
      expect(invalid(viewOf(frame.slice(0, bytes))), `${name} to ${bytes}`).not.toBeNull();
    }
  }
});

test("whatever bytes come, looking them over ends, throws nothing, and lets no verb stand outside", () => {
  const frames = fc.oneof(
    fc.uint8Array({ maxLength: 256 }),
    // Near misses: an example with a few bytes changed.
    fc
      .tuple(
        fc.constantFrom("frame-rounds", "frame-replies"),
        fc.array(fc.tuple(fc.nat(111), fc.nat(255)), { maxLength: 4 }),
      )
      .map(([name, changes]) => {
        const frame = formatExample(name);
        for (const [at, byte] of changes) frame[at % frame.length] = byte;
        return frame;
      }),
  );
  fc.assert(
    fc.property(frames, (bytes) => {
      const view = viewOf(bytes);
      if (invalidRequestFrame(view) === null) verbsOf(view);
      invalidReplyFrame(view);
      invalidControlFrame(view, FrameKind.call);
      invalidControlFrame(view, FrameKind.answer);
    }),
    { numRuns: 5000 },
  );
});
