// The store is full.

import { PdpmError } from "@pdpm/base";

/** Nothing was written. */
export function noSpace(): PdpmError {
  const text = "the store is full: delete something, or create it with a larger maxBytes";
  return new PdpmError("PDPM_NO_SPACE", text);
}
