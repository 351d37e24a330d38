// Damage: bytes that do not verify although nobody is writing them. Always an error that names what
// was asked for and where it stands, never a guess.

import { PdpmError } from "@pdpm/base";
import { type Key, keyText } from "@pdpm/kv";
import { type Address, addressText } from "@pdpm/layout";

/** Damage found at some place. */
export function corrupt(what: string): PdpmError {
  return new PdpmError("PDPM_CORRUPT", `${what}; run "pdpm fsck" on this store`);
}

/** Damage met while looking for a key's value. */
export function corruptSlot(key: Key, slot: Address): PdpmError {
  return corrupt(`the value of ${keyText(key)} at ${addressText(slot)} does not verify`);
}
