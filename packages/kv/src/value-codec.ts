// A codec as the store uses it: what comes out of it is checked, and what it throws is an error of
// ours that names the key. So a backend sees values of at most 1 MiB and nothing else.

import { isPdpmError } from "@pdpm/base";
import type { Codec } from "./codec.ts";
import { type Key, keyText, valueBytesMost } from "./key.ts";
import { describe, invalid } from "./options.ts";

/** Encodes and decodes the values of one store. */
export class ValueCodec<V> {
  readonly #codec: Codec<V>;

  constructor(codec: Codec<V>) {
    this.#codec = codec;
  }

  /**
   * The bytes of `value`, at most `valueBytesMost`.
   * @throws PDPM_INVALID_ARGUMENT if it cannot be encoded or is too large, with the sizes.
   */
  encode(value: V): Uint8Array {
    let bytes: unknown;
    try {
      bytes = this.#codec.encode(value);
    } catch (error) {
      throw this.#failure("the value cannot be encoded", error);
    }
    if (!(bytes instanceof Uint8Array)) {
      throw invalid(
        `codec ${this.#codec.name} encoded a value as ${describe(bytes)}, not as bytes`,
      );
    }
    if (bytes.length > valueBytesMost) {
      throw invalid(`a value of ${bytes.length} bytes is over the limit of ${valueBytesMost}`);
    }
    return bytes;
  }

  /** The value of `key`. @throws PDPM_INVALID_ARGUMENT if the codec cannot read it. */
  decode(key: Key, bytes: Uint8Array): V {
    try {
      return this.#codec.decode(bytes);
    } catch (error) {
      throw this.#failure(`the value of ${keyText(key)} was written by another codec`, error);
    }
  }

  #failure(what: string, error: unknown): Error {
    const text = isPdpmError(error) ? error.text : String(error);
    return invalid(`${what} (codec ${this.#codec.name}): ${text}`, error);
  }
}
