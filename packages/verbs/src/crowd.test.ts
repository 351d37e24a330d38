// Held against a Set, over a long random run.

import { Prng } from "@pdpm/base";
import { expect, test } from "vitest";
import { Crowd, type Member } from "./crowd.ts";

test("a crowd has the members that were added and did not leave", () => {
  const prng = new Prng(41);
  const people: Member[] = Array.from({ length: 20 }, () => ({ place: -1 }));
  const crowd = new Crowd<Member>();
  const expected = new Set<Member>();
  for (let turn = 0; turn < 5000; turn += 1) {
    const member = people[prng.below(people.length)] as Member;
    if (prng.chance(0.5)) {
      crowd.delete(member);
      expected.delete(member);
      expect(member.place).toBe(-1);
    } else if (!expected.has(member)) {
      crowd.add(member);
      expected.add(member);
    }
    expect(crowd.size).toBe(expected.size);
    expect(new Set(crowd.all())).toEqual(expected);
  }
});

test("nobody is in two crowds, and only their own lets them go", () => {
  const member: Member = { place: -1 };
  const one = new Crowd<Member>();
  const other = new Crowd<Member>();
  one.add(member);
  other.add({ place: -1 });
  expect(() => other.add(member)).toThrow("one crowd at a time");
  other.delete(member);
  expect([one.size, other.size]).toEqual([1, 1]);
});

test("who leaves while the members are walked disturbs nobody", () => {
  const crowd = new Crowd<Member>();
  for (let i = 0; i < 10; i += 1) crowd.add({ place: -1 });
  let met = 0;
  for (const member of crowd.all()) {
    crowd.delete(member);
    met += 1;
  }
  expect([met, crowd.size]).toEqual([10, 0]);
});
