// Writing and reading the fields of records: little-endian, one behind the other. A reader never
// throws: past the end it reads zeros and says that the bytes are bad.

const firstBytes = 4096;

/** Collects fields. One writer serves all records: asked for its bytes before it begins anew. */
export class RecordWriter {
  #bytes = new Uint8Array(firstBytes);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  /** Forgets what was written. */
  clear(): void {
    this.#length = 0;
  }

  #room(bytes: number): number {
    const start = this.#length;
    if (start + bytes > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(2 * this.#bytes.length, start + bytes));
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    this.#length += bytes;
    return start;
  }

  byte(value: number): void {
    const at = this.#room(1);
    this.#view.setUint8(at, value);
  }

  /** An integer below 2^32. */
  integer(value: number): void {
    const at = this.#room(4);
    this.#view.setUint32(at, value, true);
  }

  /** Any number; exact for every safe integer. */
  number(value: number): void {
    const at = this.#room(8);
    this.#view.setFloat64(at, value, true);
  }

  /** A word of 64 bits. */
  word(value: bigint): void {
    const at = this.#room(8);
    this.#view.setBigUint64(at, value, true);
  }

  bytes(value: Uint8Array): void {
    const at = this.#room(value.length);
    this.#bytes.set(value, at);
  }

  /** What was written so far, valid until more is written. */
  get written(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** A copy of what was written so far. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }
}

/** Where a field of eight bytes is put together. */
const eight = new DataView(new ArrayBuffer(8));

/** Takes fields out again. */
export class RecordReader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #at: number;
  #isBad = false;

  /** Reads the bytes from `start` to `end`. */
  constructor(bytes: Uint8Array, start = 0, end: number = bytes.length) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  /** Bytes not read yet. */
  get left(): number {
    return this.#end - this.#at;
  }

  /** Whether everything read so far was there. */
  get isBad(): boolean {
    return this.#isBad;
  }

  /** Says that what was read cannot be. */
  refuse(): void {
    this.#isBad = true;
  }

  /** Where the next `bytes` bytes start, or -1 when there are not so many. */
  #take(bytes: number): number {
    if (bytes > this.left) {
      this.#isBad = true;
      return -1;
    }
    this.#at += bytes;
    return this.#at - bytes;
  }

  byte(): number {
    const at = this.#take(1);
    return at < 0 ? 0 : (this.#bytes[at] as number);
  }

  integer(): number {
    const at = this.#take(4);
    if (at < 0) return 0;
    this.#toEight(at, 4);
    return eight.getUint32(0, true);
  }

  number(): number {
    const at = this.#take(8);
    if (at < 0) return 0;
    this.#toEight(at, 8);
    return eight.getFloat64(0, true);
  }

  word(): bigint {
    const at = this.#take(8);
    if (at < 0) return 0n;
    this.#toEight(at, 8);
    return eight.getBigUint64(0, true);
  }

  #toEight(at: number, bytes: number): void {
    for (let i = 0; i < bytes; i += 1) eight.setUint8(i, this.#bytes[at + i] as number);
  }

  /** A copy of the next `count` bytes. */
  bytes(count: number): Uint8Array {
    const at = this.#take(count);
    return at < 0 ? new Uint8Array(0) : this.#bytes.slice(at, at + count);
  }
}
