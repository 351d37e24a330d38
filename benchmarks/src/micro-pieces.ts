// Pieces that need nothing but the processor: checksums and codecs.

import { Prng } from "@pdpm/base";
import { checksum64 } from "@pdpm/layout/checksum";
import { codecs } from "pdpm";
import { type Group, hundred } from "./piece.ts";

const value = {
  id: 123_456,
  name: "a value of a common kind",
  tags: ["one", "two"],
  score: 0.75,
  on: true,
};

/** See the head of this file. */
export const pieces: Group = async (measure) => {
  const bytes = new Prng(1).bytes(65_536);
  for (const size of [64, 1024, 65_536]) {
    const part = bytes.subarray(0, size);
    await measure(hundred(`checksum of ${size} bytes`, () => void checksum64(part)));
  }
  for (const name of ["json", "msgpack"] as const) {
    const codec = codecs[name];
    const encoded = codec.encode(value).slice();
    const size = `${encoded.length} bytes`;
    await measure(hundred(`${name} encode, ${size}`, () => void codec.encode(value)));
    await measure(hundred(`${name} decode, ${size}`, () => void codec.decode(encoded)));
  }
  const text = "x".repeat(1024);
  const utf8 = codecs.utf8.encode(text);
  await measure(hundred("utf8 encode, 1024 bytes", () => void codecs.utf8.encode(text)));
  await measure(hundred("utf8 decode, 1024 bytes", () => void codecs.utf8.decode(utf8)));
};
