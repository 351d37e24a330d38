// Damage: bytes that do not verify although nobody is writing them. Always an error that names what
// was asked for and where it stands, never a guess.

import { PdpmError } from "@pdpm/base";
import { type Key, keyText } from "@pdpm/kv";
import { type Pointer, pointerText } from "@pdpm/layout";

/** The chain of `key` cannot be followed at `pointer`. */
export function corruptBuffer(key: Key, pointer: Pointer): PdpmError {
  return new PdpmError(
    "PDPM_CORRUPT",
    `the value of ${keyText(key)} at ${pointerText(pointer)} does not verify; run "pdpm fsck"`,
  );
}
