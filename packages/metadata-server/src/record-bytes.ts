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
    return this.written.slice();
  }
}

/** Takes fields out again. */
export class RecordReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;
  #isBad = false;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Bytes not read yet. */
  get left(): number {
    return this.#bytes.length - this.#at;
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
    return at < 0 ? 0 : this.#view.getUint8(at);
  }

  integer(): number {
    const at = this.#take(4);
    return at < 0 ? 0 : this.#view.getUint32(at, true);
  }

  number(): number {
    const at = this.#take(8);
    return at < 0 ? 0 : this.#view.getFloat64(at, true);
  }

  word(): bigint {
    const at = this.#take(8);
    return at < 0 ? 0n : this.#view.getBigUint64(at, true);
  }

  /** A copy of the next `count` bytes. */
  bytes(count: number): Uint8Array {
    const at = this.#take(count);
    return at < 0 ? new Uint8Array(0) : this.#bytes.slice(at, at + count);
  }
}
