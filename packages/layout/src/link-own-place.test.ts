// A link word never leads to its own buffer in another life.
//
// A story: a put with a stale cursor took, for its new version, the very buffer that the cursor
// named, which had been freed and leased anew. Its CAS found the link of its own unlinked version
// there, followed it, and linked that version behind itself: acknowledged, and lost.

import { expect, test } from "vitest";
import { addressOf, gcVersionMost, linkIn, pointerTo, sealOf, withPending } from "./index.ts";

const address = addressOf(0xabcde, 64 * 0x12345);
const pointer = pointerTo(address, 77);

test("a link to the buffer's own place in another life leads nowhere, and nor does its seal", () => {
  for (const life of [1, 76, 78, gcVersionMost]) {
    const other = pointerTo(address, life);
    expect(linkIn(pointer, other)).toBe("damaged");
    expect(linkIn(pointer, withPending(other))).toBe("damaged");
    expect(linkIn(pointer, sealOf(other))).toBe("damaged");
  }
});
