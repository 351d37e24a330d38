// Histories made by hand in the notation of testing/history-text.ts: what is accepted, and what is
// rejected with which words. The table of all kinds of mistakes is in bad-histories.test.ts.
import { expect, test } from "vitest";
import { type CheckResult, checkLinearizability } from "./linearizability.ts";
import { parseLine, parseText } from "./testing/history-text.ts";

function check(text: string): CheckResult {
  return checkLinearizability(parseText(text));
}

interface Case {
  readonly title: string;
  readonly text: string;
  readonly reason: string;
}

/** Cases are written as: # title, the history, and => the reason where it is a bad one. */
function parseCases(text: string): Case[] {
  const blocks = text.split("# ").slice(1);
  return blocks.map((block) => {
    const [history, reason] = block.split("=> ");
    const [title, ...lines] = (history ?? "").split("\n");
    return { title: title ?? "", text: lines.join(" "), reason: (reason ?? "").trim() };
  });
}

const good = parseCases(`
# an empty history
# a write and its read
1 0-10 put a 1; 2 20-30 get a 1
# a key never written is missing
1 0-10 get -; 2 5-9 del -; 3 20-30 cas 4 a !0
# overlapping writes in version order
1 0-50 put a 2; 2 10-20 put b 1; 3 60-70 get a 2
# a read of either side of an overlapping write
1 0-9 put a 1; 2 10-90 put b 2; 3 20-30 get a 1; 3 40-50 get b 2
# touching times overlap
1 0-10 put a 1; 2 10-20 get -
# versions that skip
1 0-10 put a 5; 1 20-30 put b 900; 2 40-50 get b 900
# an unknown write that was never seen
1 0-? put a; 2 10-20 get -; 2 30-40 get -
# an unknown write seen late
1 0-? put a; 2 10-20 get -; 2 30-40 get a 1
# an unknown write after its client gave up
1 0-5 put a ?; 2 10-20 get -; 2 30-40 get a 1
# an unknown write that later ones overwrote
1 0-? put a; 2 10-20 put b 7; 3 15-25 get a 6; 3 30-40 get b 7
# an unknown write nobody read, noticed by a cas
1 0-? put a; 2 10-20 cas 3 b 4; 2 30-40 get b 4
# an unknown delete that explains a missing key
1 0-9 put a 1; 2 10-? del; 3 20-30 get a 1; 3 40-50 get -
# two unknown deletes for two gaps
1 0-9 put a 1; 2 1-? del; 2 2-? del; 3 10-19 get -; 1 20-29 put b 2; 3 30-39 get b 2;
3 40-49 get -
# a delete and a new version
1 0-9 put a 1; 1 10-19 del 1; 2 20-29 get -; 1 30-39 cas 0 b 2; 2 40-49 get b 2
# a missing read beside overlapping writes and a delete
1 0-90 put a 1; 2 0-90 del 1; 3 0-90 put b 2; 4 40-50 get -
# a missing read between two deletes that overlap all
1 0-99 put a 1; 2 0-99 del 1; 3 0-99 cas 0 b 2; 4 0-99 del 2; 5 10-20 get -; 5 30-40 get b 2;
5 50-60 get -
# a conflict that says what it found
1 0-9 put a 1; 1 10-19 put b 2; 2 20-29 cas 1 c !2
# a conflict that says nothing
1 0-9 put a 1; 1 10-19 put b 2; 2 20-29 cas 1 c !?; 3 30-39 cas 0 d !?
# a conflict explained by an unknown write
1 0-9 put a 1; 2 10-? put b; 3 20-29 cas 1 c !?; 3 30-39 get b 2
# a conditional delete
1 0-9 put a 1; 2 10-19 del if 3 !1; 2 20-29 del if 1 1; 3 30-39 get -
# a chain of cas
1 0-9 cas 0 a 1; 2 0-99 cas 2 c 3; 1 10-19 cas 1 b 2; 3 100-110 get c 3
# an unknown cas that took effect
1 0-9 put a 1; 2 10-? cas 1 b; 3 20-29 get b 2
# what was not applied
1 0-9 put a x; 2 10-19 get -; 1 20-29 del x; 2 30-39 get - x
# two keys do not meet
1 0-9 put j/a 1; 1 10-19 put b 1; 2 20-29 get j/a 1; 2 20-29 get b 1
# the same value twice, told apart by versions
1 0-9 put a 1; 1 10-19 put a 2; 2 20-29 get a 2
# no versions at all
1 0-50 put a _; 2 10-20 put b _; 3 60-70 get a _; 3 80-90 get a _; 1 91-92 del; 2 93-94 get -
# no versions and values written twice
1 0-9 put a _; 1 10-19 put b _; 1 20-29 put a _; 2 5-25 get b _; 2 30-39 get a _
`);

test.each(good)("accepted: $title", ({ text }) => {
  const lines = text.split(";").filter((line) => line.trim() !== "");
  expect(check(text)).toEqual({ ok: true, keys: expect.any(Number), operations: lines.length });
});

const bad = parseCases(`
# a value nobody wrote
1 0-9 put a 1; 2 10-19 get z 1
=> z was read, but never written
# a value of another key
1 0-9 put j/a 1; 1 0-9 put b 1; 2 10-19 get a 2
=> written to j
# a value whose write was not applied
1 0-9 put a x; 2 10-19 get a 1
=> put ended not-applied
# a value whose cas lost
1 0-9 put a 1; 2 10-19 cas 0 b !1; 3 20-29 get b 2
=> cas ended conflict
# a value read before its write
2 0-9 get a 1; 1 10-19 put a 1
=> before its write started
# a value read before its unknown write
2 0-9 get a 1; 1 10-? put a
=> before its write started
# a stale read
1 0-9 put a 1; 1 10-19 put b 2; 2 20-29 get a 1
=> version 1 was seen after version 2
# a read older than another's read
1 0-9 put a 1; 1 10-99 put b 2; 2 20-29 get b 2; 3 30-39 get a 1
=> version 1 was seen after version 2 was there
# a client that goes back
1 0-9 put a 1; 1 10-99 put b 2; 2 20-29 get b 2; 2 30-39 get a 1
=> client 2 went back from version 2 to version 1
# a writer that does not see its write
1 0-9 put a 1; 2 20-29 put b 2; 2 30-39 get a 1
=> client 2 went back
# a read older than an unknown write that was seen
1 0-9 put a 1; 2 10-? put b; 3 20-29 get b 2; 4 30-39 get a 1
=> version 1 was seen after version 2
# two writes with one version
1 0-9 put a 1; 2 10-19 put b 1
=> two writes have version 1
# two overlapping writes with one version
1 0-19 put a 4; 2 0-19 cas 3 b 4; 3 0-9 put c 3
=> two writes have version 4
# an unknown write with the version of another
1 0-9 put a 1; 2 0-? put b; 3 10-19 get b 1
=> version 1 was read as b, but it is a
# one write read with two versions
1 0-? put a; 2 10-19 get a 1; 2 20-29 get a 2
=> written once, but read as versions 1 and 2
# a read that has the version wrong
1 0-9 put a 1; 2 10-19 get a 2
=> version 2 was read as a
# versions against the order of writes
1 0-9 put a 2; 2 10-19 put b 1
=> version 1 was written after version 2
# versions that start again after a delete
1 0-9 put a 5; 1 10-19 del 5; 1 20-29 put b 3
=> version 3 was written after version 5
# a lost update
1 0-9 put a 1; 1 10-29 cas 1 b 2; 2 10-29 cas 1 c 3; 3 30-39 get c 3
=> replaced version 1, but not right behind
# a cas that skipped a write
1 0-9 put a 1; 1 10-19 put b 2; 2 20-29 cas 1 c 3
=> version 3 replaced version 1
# a cas on a version that comes later
1 0-9 cas 2 a 1; 1 10-19 put b 2
=> wrote version 1
# a cas on a deleted version
1 0-9 put a 1; 1 10-19 del 1; 2 20-29 cas 1 b 2
=> which was deleted
# a cas on a version nobody wrote
1 0-9 put a 1; 2 10-19 cas 7 b 8
=> version 7, which no write can have made
# a cas that did not raise the version
1 0-9 put a 5; 2 10-19 cas 5 b 5
=> cas on condition of version 5 wrote version 5
# two inserts of one key
1 0-19 cas 0 a 1; 2 0-19 cas 0 b 2
=> version 2 was created although version 1 was there
# an insert over a value
1 0-9 put a 1; 2 10-19 cas 0 b 2
=> was created although version 1
# an insert after a late unknown delete
1 0-9 put a 1; 2 10-19 cas 0 b 2; 3 20-? del
=> although version 1 was there
# a missing key after a write
1 0-9 put a 1; 2 10-19 get -
=> missing although version 1 was there
# a missing key between overwrites
1 0-9 put a 1; 2 10-90 put b 2; 3 20-30 get -; 4 91-99 get b 2
=> missing although version 1
# a missing key after an unknown write was seen
1 0-? put a; 2 10-19 get a 1; 3 20-29 get -
=> missing although
# a missing key before the delete began
1 0-9 put a 1; 2 10-19 get -; 3 20-29 del 1
=> missing although
# a missing key after a re-create
1 0-9 put a 1; 1 10-19 del 1; 1 20-29 put b 2; 2 30-39 get -
=> missing although version 2
# a delete that found nothing of something
1 0-9 put a 1; 2 10-19 del -; 3 20-29 get a 1
=> missing although
# one unknown delete for two gaps
1 0-9 put a 1; 2 1-? del; 3 10-19 get -; 1 20-29 put b 2; 3 30-39 get b 2; 3 40-49 get -
=> no order
# an unknown delete too late for the gap
1 0-9 put a 1; 2 10-19 get -; 3 20-? del
=> although version 1 was there
# an unknown conditional delete of another version
1 0-9 put a 1; 2 1-? del if 2; 3 10-19 get -
=> no order
# a resurrected delete
1 0-9 put a 1; 1 10-19 del 1; 2 20-29 get a 1
=> deleted value came back: version 1
# a resurrected delete after a re-create
1 0-9 put a 1; 1 10-19 del 1; 1 20-29 put b 2; 2 30-39 get a 1
=> deleted value came back: version 1
# a version from before the deleted one
1 0-9 put a 1; 2 10-19 put b 2; 2 20-29 del 2; 3 30-39 get a 1
=> version 1 was seen after version 2 was there
# a version deleted twice
1 0-9 put a 1; 1 10-19 del 1; 2 20-29 del 1
=> deleted twice
# a delete of what nobody wrote
1 0-9 put a 1; 2 10-19 del 4
=> version 4, which no write can have made
# a delete of an overwritten version
1 0-9 put a 1; 1 10-19 put b 2; 2 20-29 del 1; 3 30-39 get b 2
=> version 1 was seen after version 2
# a conditional delete of another version
1 0-9 put a 1; 2 10-19 del if 2 1
=> condition of version 2 deleted version 1
# a conflict that found an old version
1 0-9 put a 1; 1 10-19 put b 2; 2 20-29 cas 3 c !1
=> version 1 was seen after version 2
# a conflict that found a missing key
1 0-9 put a 1; 2 10-19 cas 3 c !0
=> missing although version 1
# a conflict without a reason
1 0-9 put a 1; 2 10-19 cas 1 b !?; 3 20-29 get a 1
=> no order
# an insert refused by an empty key
1 0-9 cas 0 a !?; 2 10-19 get -
=> no order
# a conditional delete refused without a reason
1 0-9 put a 1; 2 10-19 del if 1 !?
=> no order
# a conflict that found what nobody wrote
1 0-9 put a 1; 2 10-19 cas 1 b !3
=> version 3, which no write
# an unknown cas whose condition never held
1 0-9 put a 1; 2 10-? cas 7 b; 3 20-29 get b 8
=> version 7, which no write
# an unknown cas seen behind the wrong version
1 0-9 put a 1; 2 10-19 put b 2; 3 20-? cas 1 c; 4 30-39 get c 3
=> version 3 replaced version 1
# a stale read without versions
1 0-9 put a _; 1 10-19 put b _; 2 20-29 get a _
=> no order
# reads in two orders without versions
1 0-99 put a _; 2 0-99 put b _; 3 10-19 get a _; 3 20-29 get b _; 3 30-39 get a _
=> no order
# a missing key without versions
1 0-9 put a _; 2 10-19 get -
=> no order
# values written twice, read thrice in turn
1 0-99 put a _; 2 0-99 put b _; 3 0-99 put a _; 4 1-2 get a _; 4 3-4 get b _; 4 5-6 get a _;
4 7-8 get b _
=> no order
`);

test.each(bad)("rejected: $title", ({ text, reason }) => {
  const result = check(text);
  expect(result).toMatchObject({ ok: false, undecided: false, key: "k" });
  if (result.ok) return;
  expect(reason).not.toBe("");
  expect(result.reason).toContain(reason);
  expect(result.operations.length).toBeGreaterThan(0);
  expect(result.operations.length).toBeLessThanOrEqual(8);
});

test("there are more than forty kinds of mistakes here", () => {
  expect(new Set(bad.map(({ title }) => title)).size).toBeGreaterThanOrEqual(40);
});

test("the order of the lines does not matter", () => {
  for (const { text } of bad) {
    const lines = text.split(";").reverse();
    expect(check(lines.join(";")).ok, text).toBe(false);
  }
  for (const { text } of good)
    expect(check(text.split(";").reverse().join(";")).ok, text).toBe(true);
});

/** Twelve overlapping writes, then reads that no order explains: no pruning rule helps here. */
function hard(): string {
  const lines = Array.from({ length: 12 }, (_, i) => `${i} 0-99 put v${i} _`);
  return [...lines, "20 10-19 get v0 _; 20 20-29 get v1 _; 20 30-39 get v0 _"].join(";");
}

test("at the bound the answer is undecided, and a violation elsewhere is told first", () => {
  const operations = hard().split(";").map(parseLine);
  const bounded = { configurationCountMax: 1000 };
  expect(checkLinearizability(operations, bounded)).toEqual({
    ok: false,
    undecided: true,
    key: "k",
    keyOperations: 15,
    mistake: null,
    reason: "tried 1000 configurations",
    operations: [],
    shrunk: false,
  });
  operations.push(parseLine("1 0-9 get j/z _"));
  expect(checkLinearizability(operations, bounded)).toMatchObject({ undecided: false, key: "j" });
  expect(check(hard())).toMatchObject({ ok: false, undecided: false });
});
