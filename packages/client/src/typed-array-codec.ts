// Values that are typed arrays: the elements as they stand in memory, little-endian, which every
// platform is that this library runs on.
//
// Invariant: a decoded array lies on its elements' alignment; where the bytes do not, it is a copy.

import { PdpmError } from "@pdpm/base";
import { type Codec, describe } from "@pdpm/kv";

/** A typed array, as far as codecs look at it. */
export type TypedArray = ArrayBufferView & { readonly length: number };

/** The constructor of a typed array: `Float32Array`. */
export interface TypedArrayType<A extends TypedArray> {
  readonly name: string;
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): A;
}

/** "Float32Array" -> "float32". */
function nameOf(type: TypedArrayType<TypedArray>): string {
  return type.name.replace("Big", "").replace("Array", "").replace("Uint", "uint").toLowerCase();
}

/**
 * A codec for arrays of one type. Reading makes no copy where the bytes are aligned.
 * @param length - Elements that every value has; without it any number of them.
 */
export function typedArray<A extends TypedArray>(
  type: TypedArrayType<A>,
  length?: number,
): Codec<A> {
  const elementBytes = type.BYTES_PER_ELEMENT;
  if (length !== undefined && !(Number.isSafeInteger(length) && length >= 0)) {
    throw invalid(`a typed array's length must be a whole number, not ${describe(length)}`);
  }
  const checkLength = (found: number): void => {
    if (length === undefined || found === length) return;
    throw invalid(`needs ${length} elements of ${type.name}, not ${found}`);
  };
  return {
    name: length === undefined ? nameOf(type) : `${nameOf(type)}[${length}]`,
    encode(value) {
      if (!(value instanceof type)) throw invalid(`needs a ${type.name}, not ${describe(value)}`);
      checkLength(value.length);
      return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    },
    decode(bytes) {
      const count = bytes.length / elementBytes;
      if (!Number.isInteger(count)) {
        throw invalid(`${bytes.length} bytes are no whole number of ${type.name} elements`);
      }
      checkLength(count);
      const isAligned = bytes.byteOffset % elementBytes === 0;
      const { buffer, byteOffset } = isAligned ? bytes : new Uint8Array(bytes);
      return new type(buffer, byteOffset, count);
    },
  };
}

function invalid(text: string): PdpmError {
  return new PdpmError("PDPM_INVALID_ARGUMENT", text);
}
