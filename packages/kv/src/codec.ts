// How values become bytes. The implementations stand in the client library.

import type { NumberForm } from "./number-form.ts";

/** Turns values into bytes and back. Both directions are synchronous and pure. */
export interface Codec<V> {
  /** For messages: "json", "float32". */
  readonly name: string;
  /** @throws PDPM_INVALID_ARGUMENT if `value` cannot be encoded. */
  encode(value: V): Uint8Array;
  /** `bytes` are private to the caller and 8-byte aligned; the result may share them. */
  decode(bytes: Uint8Array): V;
  /** How `increment` keeps a number in this form; a codec without it keeps none. */
  readonly numbers?: NumberForm<V>;
}
