// The suite that every fabric to one memory node passes: array, mapped, ws, simulated. A protocol
// cannot tell fabrics apart as long as this holds; what a fabric may do differently stands in
// `FabricUnderTest`, nowhere else.

import { PdpmError } from "@pdpm/base";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { NodeFabric } from "./fabric.ts";
import {
  compareAndSwap,
  flush,
  Post,
  type Replies,
  read,
  Verb,
  verbBytesMost,
  write,
} from "./round.ts";

/** What `setup` hands to the suite, fresh for every test. */
export interface FabricUnderTest {
  readonly fabric: NodeFabric;
  /** Byte offsets [first, end) that the suite may write: page-aligned, zero, at least 4 MiB. */
  readonly first: number;
  /** Where the memory ends: one byte beyond is out of bounds. A multiple of 4096. */
  readonly end: number;
  /** How far `extend` can go; a byte more is PDPM_NO_SPACE. At least `end` + 8192. */
  readonly endMost: number;
  /** A second fabric to the same memory, if this kind can have one. The suite closes it. */
  another?(): Promise<NodeFabric>;
  /** Frees what is behind the fabric. Called after the fabric was closed. */
  dispose(): Promise<void>;
}

/** Places a post as the router would: at byte `offset` of the node's region. */
export function at<R>(offset: number, post: Post<R>): Post<R> {
  post.node = 0;
  post.offset = offset;
  return post;
}

function bytesOf(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index * 31 + seed * 7 + (index >> 8)) & 0xff);
}

function wordOf(bytes: unknown): bigint {
  const { buffer, byteOffset } = bytes as Uint8Array;
  return new DataView(buffer, byteOffset).getBigUint64(0, true);
}

function codeOf(reply: unknown): string {
  return reply instanceof PdpmError ? `${reply.code} ${reply.outcome}` : String(reply);
}

/** A post that the builders refuse to make, as a damaged caller would. */
function crooked(verb: Verb, bytes: number): Post {
  const data = verb === Verb.write ? new Uint8Array(Math.max(bytes, 0)) : undefined;
  return new Post(verb, 0, bytes, data, 0n, 1n, "", undefined);
}

const refused = "PDPM_INVALID_ARGUMENT not-applied";

/** Declares the suite under the heading `name`. */
export function fabricContract(name: string, setup: () => Promise<FabricUnderTest>): void {
  describe(`${name} keeps the fabric contract`, () => {
    let under: FabricUnderTest;
    let fabric: NodeFabric;
    let first: number;
    beforeEach(async () => {
      under = await setup();
      fabric = under.fabric;
      first = under.first;
    });
    afterEach(async () => {
      await fabric.close();
      await under.dispose();
    });

    const post = async (...posts: Post[]): Promise<Replies> => fabric.post(posts);
    const readAt = async (offset: number, bytes: number): Promise<Uint8Array> => {
      const [reply] = await post(at(offset, read(0, bytes)));
      if (reply instanceof PdpmError) throw reply;
      return reply as Uint8Array;
    };

    test("fresh memory reads as zero", async () => {
      expect(await readAt(first, 256)).toEqual(new Uint8Array(256));
      expect(await readAt(under.end - 8, 8)).toEqual(new Uint8Array(8));
    });

    test("a write is visible to the next round, and its neighbours keep their bytes", async () => {
      await post(at(first, write(0, bytesOf(4096, 1))));
      await post(at(first + 1000, write(0, bytesOf(24, 2))));
      const expected = bytesOf(4096, 1);
      expected.set(bytesOf(24, 2), 1000);
      expect(await readAt(first, 4096)).toEqual(expected);
    });

    test("odd offsets and lengths, and data inside a larger buffer, move exact bytes", async () => {
      const mirror = new Uint8Array(512);
      let seed = 3;
      for (const [offset, length] of [
        [0, 1],
        [3, 5],
        [7, 9],
        [9, 64],
        [65, 255],
        [401, 111],
      ] as const) {
        const data = bytesOf(length + 3, seed).subarray(3);
        seed += 1;
        mirror.set(data, offset);
        const [reply] = await post(at(first + offset, write(0, data)));
        expect(reply).toBeUndefined();
        expect(await readAt(first + offset, length)).toEqual(data);
      }
      expect(await readAt(first, 512)).toEqual(mirror);
      expect(await readAt(first + 5, 101)).toEqual(mirror.slice(5, 106));
    });

    test("the largest verb moves whole in both directions", async () => {
      const data = bytesOf(verbBytesMost, 4);
      const [wrote, back] = await post(
        at(first + 8, write(0, data)),
        at(first + 8, read(0, verbBytesMost)),
      );
      expect(wrote).toBeUndefined();
      expect(Buffer.compare(back as Uint8Array, data)).toBe(0);
    });

    test("a compare-and-swap replaces 64 bits on a match, and replies what it found", async () => {
      const high = 0xfedc_ba98_7654_3210n;
      const cas = async (expected: bigint, desired: bigint): Promise<unknown> =>
        (await post(at(first + 64, compareAndSwap(0, expected, desired))))[0];
      expect(await cas(0n, high)).toBe(0n);
      expect(await cas(0n, 7n)).toBe(high);
      expect(await cas(high ^ (1n << 32n), 7n)).toBe(high);
      expect(await cas(high ^ 1n, 7n)).toBe(high);
      expect(wordOf(await readAt(first + 64, 8))).toBe(high);
      expect(await cas(high, 2n ** 64n - 1n)).toBe(high);
      expect(await cas(2n ** 64n - 1n, 0n)).toBe(2n ** 64n - 1n);
      expect(await readAt(first + 56, 24)).toEqual(new Uint8Array(24));
    });

    test("within a round all applies in order behind a write, a flush and a CAS", async () => {
      const replies = await post(
        at(first, write(0, bytesOf(16, 5))),
        at(first + 8, write(0, new Uint8Array(8))),
        at(first, read(0, 16)),
        at(first + 8, compareAndSwap(0, 0n, 1n)),
        at(first, flush(0, 16)),
        at(first + 8, compareAndSwap(0, 1n, 2n)),
        at(first + 8, compareAndSwap(0, 1n, 3n)),
        at(first + 8, read(0, 8)),
      );
      const start = bytesOf(16, 5);
      start.fill(0, 8);
      expect(replies[2]).toEqual(start);
      expect([replies[3], replies[4], replies[5], replies[6]]).toEqual([0n, undefined, 1n, 2n]);
      expect(wordOf(replies[7])).toBe(2n);
    });

    test("verbs out of bounds are refused one by one, and none moves a byte", async () => {
      const { end } = under;
      await post(at(end - 8, write(0, bytesOf(8, 6))));
      for (const offset of [end - 4, end, end + 4096, 2 ** 52, -8]) {
        const replies = await post(
          at(offset, read(0, 8)),
          at(offset, write(0, bytesOf(8, 7))),
          at(offset, flush(0, 8)),
          at(offset, compareAndSwap(0, wordOf(bytesOf(8, 6)), 1n)),
        );
        expect(replies.map(codeOf), `offset ${offset}`).toEqual(Array(4).fill(refused));
      }
      expect(await readAt(end - 8, 8)).toEqual(bytesOf(8, 6));
    });

    test("empty, negative and oversized verbs are refused", async () => {
      const replies = await post(
        at(first, crooked(Verb.read, 0)),
        at(first, crooked(Verb.read, -8)),
        at(first, crooked(Verb.write, 0)),
        at(first, crooked(Verb.read, verbBytesMost + 1)),
        at(first, crooked(Verb.write, verbBytesMost + 1)),
      );
      expect(replies.map(codeOf)).toEqual(Array(5).fill(refused));
      expect(await readAt(first, 8)).toEqual(new Uint8Array(8));
    });

    test("a compare-and-swap that is not aligned is refused and changes no word", async () => {
      for (const skew of [1, 2, 4, 7]) {
        const [reply] = await post(at(first + skew, compareAndSwap(0, 0n, 2n ** 64n - 1n)));
        expect(codeOf(reply)).toBe(refused);
      }
      expect(await readAt(first, 16)).toEqual(new Uint8Array(16));
    });

    test("replies are per post: one refusal leaves the others of its round alone", async () => {
      const replies = await post(
        at(first, write(0, bytesOf(8, 8))),
        at(under.end, read(0, 8)),
        at(first, read(0, 8)),
        at(first + 4, compareAndSwap(0, 0n, 1n)),
        at(first, flush(0, 8)),
      );
      expect(replies.length).toBe(5);
      expect(replies[0]).toBeUndefined();
      expect(codeOf(replies[1])).toBe(refused);
      expect(replies[2]).toEqual(bytesOf(8, 8));
      expect(codeOf(replies[3])).toBe(refused);
      expect(replies[4]).toBeUndefined();
    });

    test("a reply is a private, aligned copy that nobody else changes", async () => {
      await post(at(first, write(0, bytesOf(1024, 9))));
      for (const length of [1, 7, 8, 24, 1000, 20_000]) {
        const [one, two] = (await post(
          at(first, read(0, length)),
          at(first, read(0, length)),
        )) as Uint8Array[];
        expect((one as Uint8Array).length).toBe(length);
        expect((one as Uint8Array).byteOffset % 8).toBe(0);
        const before = Uint8Array.from(two as Uint8Array);
        (one as Uint8Array).fill(0xee);
        expect(two).toEqual(before);
        expect(await readAt(first, length)).toEqual(before);
      }
      const kept = await readAt(first, 64);
      await post(at(first, write(0, bytesOf(64, 10))));
      for (let i = 0; i < 50; i += 1) await readAt(first, 4096);
      expect(kept).toEqual(bytesOf(64, 9));
    });

    test("a read into the caller's buffer fills exactly that buffer and replies it", async () => {
      await post(at(first, write(0, bytesOf(9000, 11))));
      for (const length of [5, 8, 100, 9000]) {
        const around = new Uint8Array(length + 19).fill(0xaa);
        const into = around.subarray(11, 11 + length);
        const [reply] = await post(at(first, read(0, length, into)));
        expect(reply).toBe(into);
        expect(into).toEqual(bytesOf(9000, 11).slice(0, length));
        expect(around.subarray(0, 11)).toEqual(new Uint8Array(11).fill(0xaa));
        expect(around.subarray(11 + length)).toEqual(new Uint8Array(8).fill(0xaa));
      }
    });

    test("a flush completes with no value, for a byte, across pages and for all", async () => {
      await post(at(first, write(0, bytesOf(10_000, 12))));
      const replies = await post(
        at(first + 3, flush(0, 1)),
        at(first + 100, flush(0, 9000)),
        at(first, flush(0, under.end - first)),
      );
      expect(replies).toEqual([undefined, undefined, undefined]);
      expect(await readAt(first, 10_000)).toEqual(bytesOf(10_000, 12));
    });

    test("many rounds in flight each get their own replies", async () => {
      const rounds = Array.from({ length: 64 }, (_, index) => {
        const place = first + index * 512;
        return post(
          at(place, write(0, bytesOf(512, index))),
          at(place, flush(0, 512)),
          at(place, read(0, 512)),
        );
      });
      for (const [index, replies] of (await Promise.all(rounds)).entries()) {
        expect(replies[2]).toEqual(bytesOf(512, index));
      }
    });

    test("increments by CAS from several loops and two fabrics lose nothing", async () => {
      const other = (await under.another?.()) ?? fabric;
      const increment = async (through: NodeFabric): Promise<void> => {
        for (let done = 0, expected = 0n; done < 40; ) {
          const [found] = await through.post([
            at(first, compareAndSwap(0, expected, expected + 1n)),
          ]);
          if (found === expected) done += 1;
          expected = found === expected ? expected + 1n : (found as bigint);
        }
      };
      await Promise.all([fabric, other, fabric, other].map(increment));
      expect(wordOf(await readAt(first, 8))).toBe(160n);
      if (other !== fabric) await other.close();
    });

    test("extend gives zeroed space, here and through another fabric", async () => {
      const { end } = under;
      const other = (await under.another?.()) ?? fabric;
      await Promise.all([fabric.extend(end + 4096), other.extend(end + 4096), fabric.extend(8)]);
      const [old, wrote, fresh] = await post(
        at(end - 8, read(0, 8)),
        at(end + 8, write(0, bytesOf(8, 13))),
        at(end, read(0, 24)),
      );
      expect(old).toEqual(new Uint8Array(8));
      expect(wrote).toBeUndefined();
      const expected = new Uint8Array(24);
      expected.set(bytesOf(8, 13), 8);
      expect(fresh).toEqual(expected);
      const [seen] = await other.post([at(end, read(0, 24))]);
      expect(seen).toEqual(expected);
      const [beyond] = await post(at(under.endMost, read(0, 8)));
      expect(codeOf(beyond)).toBe(refused);
      if (other !== fabric) await other.close();
    });

    test("extend beyond the most is PDPM_NO_SPACE and changes nothing", async () => {
      const refusal: unknown = await fabric.extend(under.endMost + 1).catch((error) => error);
      expect(codeOf(refusal)).toBe("PDPM_NO_SPACE not-applied");
      const [beyond, within] = await post(at(under.end, read(0, 8)), at(under.end - 8, read(0, 8)));
      expect(codeOf(beyond)).toBe(refused);
      expect(within).toEqual(new Uint8Array(8));
    });

    test("after close every post replies PDPM_CLOSED, and closing again is harmless", async () => {
      const waiting = post(at(first, write(0, bytesOf(8, 14))), at(first, flush(0, 8)));
      await fabric.close();
      // It was posted before: it is answered, either way.
      expect((await waiting).length).toBe(2);
      const replies = await post(
        at(first, read(0, 8)),
        at(first, write(0, bytesOf(8, 15))),
        at(first, compareAndSwap(0, 0n, 1n)),
        at(first, flush(0, 8)),
      );
      expect(replies.map((reply) => (reply as PdpmError).code)).toEqual(
        Array(4).fill("PDPM_CLOSED"),
      );
      await expect(fabric.extend(under.end + 4096)).rejects.toMatchObject({ code: "PDPM_CLOSED" });
      await fabric.close();
    });
  });
}
