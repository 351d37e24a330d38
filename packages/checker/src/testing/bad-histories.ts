// Bad histories made by hand, in the notation of history-text.ts. A block is: what is wrong and the
// mistake it shows; the history; and after "~" its good twin, with as little changed as makes it
// right.

import type { Mistake } from "../verdict.ts";

/** A bad history, and a good one next to it. */
export interface BadHistory {
  readonly title: string;
  readonly mistake: Mistake;
  readonly bad: string;
  readonly good: string;
}

const values = `
# a value nobody wrote = value-never-written
1 0-9 put a 1; 2 10-19 get z 1 ~ 1 0-9 put a 1; 2 10-19 get a 1
# a value out of an empty key = value-never-written
1 0-9 get a 1 ~ 1 0-9 get -
# a value nobody wrote, without versions = value-never-written
1 0-9 put a _; 2 10-19 get z _ ~ 1 0-9 put a _; 2 10-19 get a _
# halves of two values in one read = value-never-written
1 0-99 put aa 1; 2 0-99 put bb 2; 3 10-20 get ab 2
~ 1 0-99 put aa 1; 2 0-99 put bb 2; 3 10-20 get bb 2
# garbage where a value was deleted = value-never-written
1 0-9 put a 1; 1 10-19 del 1; 2 20-29 get z 1 ~ 1 0-9 put a 1; 1 10-19 del 1; 2 20-29 get -
# the value of another key = value-of-another-key
1 0-9 put j/a 1; 1 0-9 put b 1; 2 10-19 get a 2 ~ 1 0-9 put j/a 1; 1 0-9 put b 1; 2 10-19 get b 1
# another key's value in a key never written = value-of-another-key
1 0-9 put j/a 1; 2 10-19 get a 1 ~ 1 0-9 put j/a 1; 2 10-19 get j/a 1
# the value of an unknown write to another key = value-of-another-key
1 0-? put j/a; 2 10-19 get a 1 ~ 1 0-? put j/a; 2 10-19 get j/a 1
# the value inserted under another key = value-of-another-key
1 0-9 cas 0 j/a 1; 2 0-9 put b 1; 3 10-19 get a 1
~ 1 0-9 cas 0 j/a 1; 2 0-9 put b 1; 3 10-19 get b 1
# a put that was not applied is read = value-not-applied
1 0-9 put a x; 2 10-19 get a 1 ~ 1 0-9 put a ?; 2 10-19 get a 1
# a cas that lost is read = value-not-applied
1 0-9 put a 1; 2 10-19 cas 0 b !1; 3 20-29 get b 2
~ 1 0-9 put a 1; 2 10-19 cas 0 b !1; 3 20-29 get a 1
# a cas that was not applied is read = value-not-applied
1 0-9 put a 1; 2 10-19 cas 1 b x; 3 20-29 get b 2
~ 1 0-9 put a 1; 2 10-19 cas 1 b ?; 3 20-29 get b 2
# of two inserts the loser is read = value-not-applied
1 0-9 cas 0 a 1; 2 0-9 cas 0 b !1; 3 4-6 get b 1 ~ 1 0-9 cas 0 a 1; 2 0-9 cas 0 b !1; 3 4-6 get a 1
# a put not applied is read, without versions = value-not-applied
1 0-9 put a _; 1 10-19 put b x; 2 20-29 get b _ ~ 1 0-9 put a _; 1 10-19 put b ?; 2 20-29 get b _
# an old value under the new version = value-of-another-version
1 0-9 put a 1; 1 10-19 put b 2; 2 20-29 get a 2 ~ 1 0-9 put a 1; 1 10-19 put b 2; 2 20-29 get b 2
# the new value under the old version = value-of-another-version
1 0-9 put a 1; 1 10-19 put b 2; 2 20-29 get b 1 ~ 1 0-9 put a 1; 1 10-19 put b 2; 2 20-29 get b 2
# an unknown write under the version of another = value-of-another-version
1 0-9 put a 1; 2 0-? put b; 3 10-19 get b 1 ~ 1 0-9 put a 1; 2 0-? put b; 3 10-19 get b 2
# the value before a cas under its version = value-of-another-version
1 0-9 cas 0 a 1; 1 10-19 cas 1 b 2; 2 20-29 get a 2
~ 1 0-9 cas 0 a 1; 1 10-19 cas 1 b 2; 2 20-29 get b 2
# two unknown writes under one version = value-of-another-version
1 0-? put a; 2 0-? put b; 3 10-19 get a 1; 4 20-29 get b 1
~ 1 0-? put a; 2 0-? put b; 3 10-19 get a 1; 4 20-29 get b 2
# one write read with two versions = value-under-two-versions
1 0-? put a; 2 10-19 get a 1; 2 20-29 get a 2 ~ 1 0-? put a; 2 10-19 get a 1; 2 20-29 get a 1
# two readers at once see one write with two versions = value-under-two-versions
1 0-? put a; 2 10-19 get a 3; 3 10-19 get a 4 ~ 1 0-? put a; 2 10-19 get a 3; 3 10-19 get a 3
# an unknown cas read with two versions = value-under-two-versions
1 0-9 put a 1; 2 10-? cas 1 b; 3 20-29 get b 2; 3 30-39 get b 3
~ 1 0-9 put a 1; 2 10-? cas 1 b; 3 20-29 get b 2; 3 30-39 get b 2
# an unknown put done again after its delete = value-under-two-versions
1 0-? put a; 2 10-19 get a 1; 2 20-29 del 1; 2 30-39 get a 2
~ 1 0-? put a; 2 10-19 get a 1; 2 20-29 del 1; 2 30-39 get -
`;

const versions = `
# a read with a version nobody wrote = version-never-written
1 0-9 put a 1; 2 10-19 get a 2 ~ 1 0-9 put a 1; 2 10-19 get a 1
# a read with a version between two = version-never-written
1 0-9 put a 1; 1 10-19 put b 5; 2 20-29 get b 3 ~ 1 0-9 put a 1; 1 10-19 put b 5; 2 20-29 get b 5
# a delete of a version nobody wrote = version-never-written
1 0-9 put a 1; 2 10-19 del 4 ~ 1 0-9 put a 1; 2 10-19 del 1
# a version deleted out of an empty key = version-never-written
1 0-9 del 1 ~ 1 0-9 del -
# a conditional delete of a version nobody wrote = version-never-written
1 0-9 put a 1; 2 10-19 del if 5 5 ~ 1 0-9 put a 1; 2 10-19 del if 1 1
# a conditional delete refused by a version nobody wrote = version-never-written
1 0-9 put a 1; 2 10-19 del if 1 !4 ~ 1 0-9 put a 1; 2 10-19 del if 4 !1
# a cas on a version nobody wrote = version-never-written
1 0-9 put a 1; 2 10-19 cas 7 b 8 ~ 1 0-9 put a 1; 2 10-19 cas 1 b 8
# a cas refused by a version nobody wrote = version-never-written
1 0-9 put a 1; 2 10-19 cas 1 b !3 ~ 1 0-9 put a 1; 2 10-19 cas 3 b !1
# an unknown cas took effect on a version nobody wrote = version-never-written
1 0-9 put a 1; 2 10-? cas 7 b; 3 20-29 get b 8 ~ 1 0-9 put a 1; 2 10-? cas 1 b; 3 20-29 get b 8
# two writes with one version = version-repeats
1 0-9 put a 1; 2 10-19 put b 1 ~ 1 0-9 put a 1; 2 10-19 put b 2
# overlapping put and cas with one version = version-repeats
1 0-19 put a 4; 2 0-19 cas 3 b 4; 3 0-9 put c 3 ~ 1 0-19 put a 5; 2 0-19 cas 3 b 4; 3 0-9 put c 3
# two inserts with one version = version-repeats
1 0-9 cas 0 a 1; 2 0-9 cas 0 b 1 ~ 1 0-9 cas 0 a 1; 2 0-9 cas 0 b !1
# a version again after its delete = version-repeats
1 0-9 put a 1; 1 10-19 del 1; 1 20-29 put b 1 ~ 1 0-9 put a 1; 1 10-19 del 1; 1 20-29 put b 2
# two cas win with one version = version-repeats
1 0-9 put a 1; 2 10-19 cas 1 b 2; 3 10-19 cas 1 c 2
~ 1 0-9 put a 1; 2 10-19 cas 1 b 2; 3 10-19 cas 1 c !2
# a client takes its version twice = version-repeats
1 0-9 put a 1; 1 10-19 put b 2; 1 20-29 put c 2 ~ 1 0-9 put a 1; 1 10-19 put b 2; 1 20-29 put c 3
# one value and one version twice = version-repeats
1 0-9 put a 1; 1 10-19 put a 1 ~ 1 0-9 put a 1; 1 10-19 put a 2
# versions against the order of writes = version-goes-back
1 0-9 put a 2; 2 10-19 put b 1 ~ 1 0-9 put a 2; 2 10-19 put b 3
# a version goes back across a delete = version-goes-back
1 0-9 put a 5; 1 10-19 del 5; 1 20-29 put b 3 ~ 1 0-9 put a 5; 1 10-19 del 5; 1 20-29 put b 6
# an insert starts again at 1 = version-goes-back
1 0-9 put a 2; 1 10-19 put b 3; 2 20-29 del 3; 3 30-39 cas 0 c 1
~ 1 0-9 put a 2; 1 10-19 put b 3; 2 20-29 del 3; 3 30-39 cas 0 c 4
# a version below one that was read = version-goes-back
1 0-99 put a 5; 2 10-19 get a 5; 3 20-29 put b 3 ~ 1 0-99 put a 5; 2 10-19 get a 5; 3 20-29 put b 6
# a version below that of an unknown write = version-goes-back
1 0-? put a; 2 10-19 get a 5; 3 20-29 put b 3 ~ 1 0-? put a; 2 10-19 get a 5; 3 20-29 put b 6
# a version below one that a conflict told = version-goes-back
1 0-99 put a 5; 2 10-19 cas 1 z !5; 3 20-29 put b 3
~ 1 0-99 put a 5; 2 10-19 cas 1 z !5; 3 20-29 put b 6
# a client's versions go back beside another's = version-goes-back
1 0-9 put a 3; 2 0-50 put b 2; 1 10-19 put c 1 ~ 1 0-9 put a 3; 2 0-50 put b 2; 1 10-19 put c 4
# a version between two that are there = version-goes-back
1 0-9 put a 1; 2 10-19 put c 9; 3 20-29 put b 4 ~ 1 0-9 put a 1; 2 10-19 put c 9; 3 20-29 put b 10
# a cas before the version it depends on = version-goes-back
1 0-9 cas 1 b 2; 2 10-19 put a 1 ~ 1 0-15 cas 1 b 2; 2 10-19 put a 1
`;

const reads = `
# a read before its write = read-before-write
2 0-9 get a 1; 1 10-19 put a 1 ~ 2 0-9 get -; 1 10-19 put a 1
# a read before its unknown write = read-before-write
2 0-9 get a 1; 1 10-? put a ~ 2 0-11 get a 1; 1 10-? put a
# a read before its insert = read-before-write
2 0-9 get a 1; 1 10-19 cas 0 a 1 ~ 2 0-9 get -; 1 10-19 cas 0 a 1
# a read before its write, without versions = read-before-write
2 0-9 get a _; 1 10-19 put a _ ~ 2 0-9 get -; 1 10-19 put a _
# a delete before its write = read-before-write
1 0-9 del 1; 2 10-19 put a 1 ~ 1 0-15 del 1; 2 10-19 put a 1
# a conflict before the write it found = read-before-write
2 0-9 cas 5 z !1; 1 10-19 put a 1 ~ 2 0-9 cas 5 z !0; 1 10-19 put a 1
# each reads what the other will write = read-before-write
1 0-9 get b 2; 1 10-19 put a 1; 2 0-9 get a 1; 2 10-19 put b 2
~ 1 0-9 get -; 1 10-19 put a 1; 2 0-9 get -; 2 10-19 put b 2
# a stale read = stale-read
1 0-9 put a 1; 1 10-19 put b 2; 2 20-29 get a 1 ~ 1 0-9 put a 1; 1 10-19 put b 2; 2 20-29 get b 2
# a read older than another's read = stale-read
1 0-9 put a 1; 1 10-99 put b 2; 2 20-29 get b 2; 3 30-39 get a 1
~ 1 0-9 put a 1; 1 10-99 put b 2; 2 20-29 get b 2; 3 25-39 get a 1
# a read older than an unknown write that was seen = stale-read
1 0-9 put a 1; 2 10-? put b; 3 20-29 get b 2; 4 30-39 get a 1
~ 1 0-9 put a 1; 2 10-? put b; 3 20-29 get b 2; 4 30-39 get b 2
# a conflict that found an old version = stale-read
1 0-9 put a 1; 1 10-19 put b 2; 2 20-29 cas 3 c !1
~ 1 0-9 put a 1; 1 10-19 put b 2; 2 20-29 cas 3 c !2
# a delete of an overwritten version = stale-read
1 0-9 put a 1; 1 10-19 put b 2; 2 20-29 del 1; 3 30-39 get b 2
~ 1 0-9 put a 1; 1 10-19 put b 2; 2 20-29 del 2; 3 30-39 get -
# a read behind a cas = stale-read
1 0-9 put a 1; 2 10-19 cas 1 b 2; 3 20-29 get a 1
~ 1 0-9 put a 1; 2 10-19 cas 1 b 2; 3 20-29 get b 2
# a read two versions behind = stale-read
1 0-9 put a 1; 1 10-19 put b 2; 1 20-29 put c 3; 2 30-39 get a 1
~ 1 0-9 put a 1; 1 10-19 put b 2; 1 20-29 put c 3; 2 30-39 get c 3
# a stale read, without versions = stale-read
1 0-9 put a _; 1 10-19 put b _; 2 20-29 get a _ ~ 1 0-9 put a _; 1 10-19 put b _; 2 20-29 get b _
# a value comes back, without versions = stale-read
1 0-99 put a _; 2 0-99 put b _; 3 10-19 get a _; 3 20-29 get b _; 3 30-39 get a _
~ 1 0-99 put a _; 2 0-99 put b _; 3 10-19 get a _; 3 20-29 get b _; 3 30-39 get b _
# two readers see two orders, without versions = stale-read
1 0-99 put a _; 2 0-99 put b _; 3 10-19 get a _; 3 20-29 get b _; 4 10-19 get b _; 4 20-29 get a _
~ 1 0-99 put a _; 2 0-99 put b _; 3 10-19 get a _; 3 20-29 get b _; 4 10-19 get a _; 4 20-29 get b _
# values written twice, read thrice in turn = stale-read
1 0-99 put a _; 2 0-99 put b _; 3 0-99 put a _; 4 1-2 get a _; 4 3-4 get b _; 4 5-6 get a _;
4 7-8 get b _
~ 1 0-99 put a _; 2 0-99 put b _; 3 0-99 put a _; 4 1-2 get a _; 4 3-4 get b _; 4 5-6 get a _;
4 7-8 get a _
# an unknown write is undone, without versions = stale-read
1 0-9 put a _; 2 10-? put b; 3 20-29 get b _; 3 30-39 get a _
~ 1 0-9 put a _; 2 10-? put b; 3 20-29 get a _; 3 30-39 get b _
# a read older than what a conflict told another = stale-read
1 0-9 put a 1; 2 10-99 put b 2; 3 20-29 cas 1 z !2; 4 30-39 get a 1
~ 1 0-9 put a 1; 2 10-99 put b 2; 3 20-29 cas 1 z !2; 4 30-39 get b 2
# a stale read after a re-create = stale-read
1 0-9 put a 1; 1 10-19 del 1; 1 20-29 put b 2; 1 30-39 put c 3; 2 40-49 get b 2
~ 1 0-9 put a 1; 1 10-19 del 1; 1 20-29 put b 2; 1 30-39 put c 3; 2 40-49 get c 3
# a client goes back = client-goes-back
1 0-9 put a 1; 1 10-99 put b 2; 2 20-29 get b 2; 2 30-39 get a 1
~ 1 0-9 put a 1; 1 10-99 put b 2; 2 20-29 get a 1; 2 30-39 get b 2
# a writer does not see its write = client-goes-back
1 0-9 put a 1; 2 20-29 put b 2; 2 30-39 get a 1 ~ 1 0-9 put a 1; 2 20-29 put b 2; 2 30-39 get b 2
# a client does not see its cas = client-goes-back
1 0-9 put a 1; 2 10-19 cas 1 b 2; 2 20-29 get a 1
~ 1 0-9 put a 1; 2 10-19 cas 1 b 2; 2 20-29 get b 2
# a client goes back behind its own conflict = client-goes-back
1 0-9 put a 1; 1 10-99 put b 2; 2 20-29 cas 1 z !2; 2 30-39 get a 1
~ 1 0-9 put a 1; 1 10-99 put b 2; 2 20-29 cas 1 z !2; 2 30-39 get b 2
# a client deletes what it saw replaced = client-goes-back
1 0-9 put a 1; 1 10-99 put b 2; 2 20-29 get b 2; 2 30-39 del 1
~ 1 0-9 put a 1; 1 10-99 put b 2; 2 20-29 get b 2; 2 30-39 del 2
`;

const deletes = `
# a deleted value comes back = deleted-value-returns
1 0-9 put a 1; 1 10-19 del 1; 2 20-29 get a 1 ~ 1 0-9 put a 1; 1 10-19 del 1; 2 20-29 get -
# a deleted value comes back over its successor = deleted-value-returns
1 0-9 put a 1; 1 10-19 del 1; 1 20-29 put b 2; 2 30-39 get a 1
~ 1 0-9 put a 1; 1 10-19 del 1; 1 20-29 put b 2; 2 30-39 get b 2
# a value comes back from a conditional delete = deleted-value-returns
1 0-9 put a 1; 2 10-19 del if 1 1; 3 20-29 get a 1
~ 1 0-9 put a 1; 2 10-19 del if 1 1; 3 20-29 get -
# a conflict found a deleted version = deleted-value-returns
1 0-9 put a 1; 1 10-19 del 1; 2 20-29 cas 5 z !1 ~ 1 0-9 put a 1; 1 10-19 del 1; 2 20-29 cas 5 z !0
# an unknown put comes back after its delete = deleted-value-returns
1 0-? put a; 2 10-19 get a 1; 2 20-29 del 1; 3 30-39 get a 1
~ 1 0-? put a; 2 10-19 get a 1; 2 20-29 del 1; 3 25-39 get a 1
# a version deleted twice = deleted-twice
1 0-9 put a 1; 1 10-19 del 1; 2 20-29 del 1 ~ 1 0-9 put a 1; 1 10-19 del 1; 2 20-29 del -
# a version deleted twice at once = deleted-twice
1 0-9 put a 1; 1 10-29 del 1; 2 10-29 del 1 ~ 1 0-9 put a 1; 1 10-29 del 1; 2 10-29 del -
# a conditional delete of a deleted version = deleted-twice
1 0-9 put a 1; 1 10-29 del 1; 2 10-29 del if 1 1 ~ 1 0-9 put a 1; 1 10-29 del 1; 2 10-29 del if 1 !0
# an unknown put deleted twice = deleted-twice
1 0-? put a; 2 5-8 get a 1; 2 10-19 del 1; 3 10-19 del 1
~ 1 0-? put a; 2 5-8 get a 1; 2 10-19 del 1; 3 10-19 del -
# the key is missing after a write = missing-although-there
1 0-9 put a 1; 2 10-19 get - ~ 1 0-9 put a 1; 2 9-19 get -
# a client's own write is missing = missing-although-there
1 0-9 put a 1; 1 10-19 get - ~ 1 0-9 put a 1; 1 10-19 get a 1
# the key is missing between overwrites = missing-although-there
1 0-9 put a 1; 2 10-90 put b 2; 3 20-30 get -; 4 91-99 get b 2
~ 1 0-9 put a 1; 2 10-90 put b 2; 3 20-30 get a 1; 4 91-99 get b 2
# the key is missing after an unknown write was seen = missing-although-there
1 0-? put a; 2 10-19 get a 1; 3 20-29 get - ~ 1 0-? put a; 2 10-19 get -; 3 20-29 get a 1
# the key is missing before its delete began = missing-although-there
1 0-9 put a 1; 2 10-19 get -; 3 20-29 del 1 ~ 1 0-9 put a 1; 2 10-19 get -; 3 15-29 del 1
# the key is missing after a re-create = missing-although-there
1 0-9 put a 1; 1 10-19 del 1; 1 20-29 put b 2; 2 30-39 get -
~ 1 0-9 put a 1; 1 10-19 del 1; 1 20-29 put b 2; 2 20-39 get -
# a delete found nothing where something was = missing-although-there
1 0-9 put a 1; 2 10-19 del -; 3 20-29 get a 1 ~ 1 0-9 put a 1; 2 10-19 del 1; 3 20-29 get -
# one unknown delete for two gaps = missing-although-there
1 0-9 put a 1; 2 1-? del; 3 10-19 get -; 1 20-29 put b 2; 3 30-39 get b 2; 3 40-49 get -
~ 1 0-9 put a 1; 2 1-? del; 2 2-? del; 3 10-19 get -; 1 20-29 put b 2; 3 30-39 get b 2;
3 40-49 get -
# an unknown delete too late for the gap = missing-although-there
1 0-9 put a 1; 2 10-19 get -; 3 20-? del ~ 1 0-9 put a 1; 2 10-19 get -; 3 19-? del
# an unknown conditional delete of another version = missing-although-there
1 0-9 put a 1; 2 1-? del if 2; 3 10-19 get - ~ 1 0-9 put a 1; 2 1-? del if 1; 3 10-19 get -
# a delete that was not applied took the value = missing-although-there
1 0-9 put a 1; 2 10-19 del x; 3 20-29 get - ~ 1 0-9 put a 1; 2 10-19 del ?; 3 20-29 get -
# a conflict found a missing key = missing-although-there
1 0-9 put a 1; 2 10-19 cas 3 c !0 ~ 1 0-9 put a 1; 2 10-19 cas 3 c !1
# the key is missing, without versions = missing-although-there
1 0-9 put a _; 2 10-19 get - ~ 1 0-9 put a _; 2 10-19 get a _
`;

const conditions = `
# a lost update = lost-update
1 0-9 put a 1; 1 10-29 cas 1 b 2; 2 10-29 cas 1 c 3; 3 30-39 get c 3
~ 1 0-9 put a 1; 1 10-29 cas 1 b 2; 2 10-29 cas 2 c 3; 3 30-39 get c 3
# a cas that skipped a write = lost-update
1 0-9 put a 1; 1 10-19 put b 2; 2 20-29 cas 1 c 3
~ 1 0-9 put a 1; 1 10-19 put b 2; 2 20-29 cas 1 c !2
# an unknown cas behind the wrong version = lost-update
1 0-9 put a 1; 2 10-19 put b 2; 3 20-? cas 1 c; 4 30-39 get c 3
~ 1 0-9 put a 1; 2 10-19 put b 2; 3 20-? cas 2 c; 4 30-39 get c 3
# a put lost under a cas beside it = lost-update
1 0-9 put a 1; 2 10-40 put b 2; 3 10-40 cas 1 c 3
~ 1 0-9 put a 1; 2 10-40 put b 3; 3 10-40 cas 1 c 2
# two of three increments lost = lost-update
1 0-9 cas 0 a 1; 2 10-30 cas 1 b 2; 3 10-30 cas 1 c 3; 4 10-30 cas 1 d 4
~ 1 0-9 cas 0 a 1; 2 10-30 cas 1 b 2; 3 10-30 cas 2 c 3; 4 10-30 cas 3 d 4
# a cas on the version before a re-create = replaced-deleted-version
1 0-9 put a 1; 1 10-19 del 1; 1 20-29 put b 2; 2 30-39 cas 1 c 3
~ 1 0-9 put a 1; 1 10-19 del 1; 1 20-29 put b 2; 2 30-39 cas 2 c 3
# a cas on a deleted version = replaced-deleted-version
1 0-9 put a 1; 1 10-19 del 1; 2 20-29 cas 1 b 2 ~ 1 0-9 put a 1; 1 10-19 del 1; 2 20-29 cas 1 b !0
# a delete and a cas of one version both win = replaced-deleted-version
1 0-9 put a 1; 2 10-30 del 1; 3 10-30 cas 1 b 2 ~ 1 0-9 put a 1; 2 10-30 del 2; 3 10-30 cas 1 b 2
# a conditional delete and a cas both win = replaced-deleted-version
1 0-9 put a 1; 2 10-30 del if 1 1; 3 10-30 cas 1 b 2
~ 1 0-9 put a 1; 2 10-30 del if 1 !2; 3 10-30 cas 1 b 2
# two inserts of one key = created-over-value
1 0-19 cas 0 a 1; 2 0-19 cas 0 b 2 ~ 1 0-19 cas 0 a 1; 2 0-19 cas 1 b 2
# an insert over a value = created-over-value
1 0-9 put a 1; 2 10-19 cas 0 b 2 ~ 1 0-9 put a 1; 2 10-19 cas 0 b !1
# an insert before an unknown delete began = created-over-value
1 0-9 put a 1; 2 10-19 cas 0 b 2; 3 20-? del ~ 1 0-9 put a 1; 2 10-19 cas 0 b 2; 3 15-? del
# an insert over an unknown write that was seen = created-over-value
1 0-? put a; 2 10-19 get a 1; 3 20-29 cas 0 b 2 ~ 1 0-? put a; 2 10-19 get -; 3 20-29 cas 0 b 2
# an insert over a value, without versions = created-over-value
1 0-9 put a _; 2 10-19 cas 0 b _ ~ 1 0-9 put a _; 1 0-9 del; 2 10-19 cas 0 b _
# a cas wrote less than the version it replaced = condition-ignored
1 0-9 cas 2 a 1; 1 10-19 put b 2 ~ 1 0-9 cas 0 a 1; 1 10-19 put b 2
# a cas did not raise the version = condition-ignored
1 0-9 put a 5; 2 10-19 cas 5 b 5 ~ 1 0-9 put a 5; 2 10-19 cas 5 b 6
# a conditional delete took an older version = condition-ignored
1 0-9 put a 1; 2 10-19 del if 2 1 ~ 1 0-9 put a 1; 2 10-19 del if 1 1
# a conditional delete took a newer version = condition-ignored
1 0-9 put a 1; 1 10-19 put b 2; 2 20-29 del if 1 2
~ 1 0-9 put a 1; 1 10-19 put b 2; 2 20-29 del if 2 2
# a conflict without a cause = conflict-without-cause
1 0-9 put a 1; 2 10-19 cas 1 b !?; 3 20-29 get a 1
~ 1 0-9 put a 1; 2 10-19 cas 2 b !?; 3 20-29 get a 1
# a conflict before anything changed = conflict-without-cause
1 0-9 put a 1; 2 10-19 cas 1 b !?; 3 20-29 put c 2
~ 1 0-9 put a 1; 2 10-19 cas 1 b !?; 3 15-29 put c 2
# an insert refused by an empty key = conflict-without-cause
1 0-9 cas 0 a !?; 2 10-19 get - ~ 1 0-9 cas 1 a !?; 2 10-19 get -
# an insert refused after a delete = conflict-without-cause
1 0-9 put a 1; 1 10-19 del 1; 2 20-29 cas 0 b !? ~ 1 0-9 put a 1; 1 10-19 del 1; 2 19-29 cas 0 b !?
# a conditional delete refused = conflict-without-cause
1 0-9 put a 1; 2 10-19 del if 1 !? ~ 1 0-9 put a 1; 2 10-19 del if 2 !?
`;

function parseBlock(block: string): BadHistory {
  const [head = "", ...lines] = block.split("\n");
  const [title = "", mistake = ""] = head.split(" = ");
  const [bad = "", good = ""] = lines.join(" ").split("~");
  return { title, mistake: mistake as Mistake, bad, good };
}

/** All of them. */
export const badHistories: readonly BadHistory[] = [values, versions, reads, deletes, conditions]
  .flatMap((text) => text.split("# ").slice(1))
  .map(parseBlock);
