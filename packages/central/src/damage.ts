// Damage: bytes that do not verify although nobody is writing them. Always an error that names what
// was asked for and where it stands, never a guess.

import { PdpmError } from "@pdpm/base";
import { type Key, keyText } from "@pdpm/kv";
import { type Pointer, pointerText } from "@pdpm/layout";

/** The cell of `key` at `pointer` cannot be read. */
export function corruptCell(key: Key, pointer: Pointer): PdpmError {
  return new PdpmError(
    "PDPM_CORRUPT",
    `the value of ${keyText(key)} at ${pointerText(pointer)} does not verify; run "pdpm fsck"`,
  );
}

/** The service's records of space disagree with its directory or its table. */
export function corruptSpace(what: string): PdpmError {
  return new PdpmError("PDPM_CORRUPT", `the metadata service leased ${what}; run "pdpm fsck"`);
}
