// The contract of a key-value store as a test suite: every backend passes it, over every transport.
// A difference between designs is allowed only where `supports` names it.

import { afterEach, beforeEach, describe } from "vitest";
import { clientChapter } from "./contract-clients.ts";
import { Fixture, type KvSubject, type UseFixture } from "./contract-fixture.ts";
import { iterationChapter } from "./contract-iteration.ts";
import { lifeChapter } from "./contract-life.ts";
import { manyChapter } from "./contract-many.ts";
import { valueChapter } from "./contract-values.ts";
import { versionChapter } from "./contract-versions.ts";

export type { KvSubject } from "./contract-fixture.ts";

const chapters: Readonly<Record<string, (use: UseFixture) => void>> = {
  "keys and values": valueChapter,
  versions: versionChapter,
  "several clients": clientChapter,
  "many keys": manyChapter,
  iteration: iterationChapter,
  "limits and ends": lifeChapter,
};

/**
 * Declares the suite.
 * @param name - The backend and transport: "direct, mapped".
 * @param setup - Makes an empty store with the bytes codec; called for every test.
 */
export function kvContract(name: string, setup: () => Promise<KvSubject>): void {
  describe(name, () => {
    let fixture: Fixture | undefined;
    beforeEach(async () => {
      fixture = await Fixture.begin(setup);
    });
    afterEach(async () => {
      await fixture?.end();
      fixture = undefined;
    });
    const use: UseFixture = () => {
      if (fixture === undefined) throw new Error("no test is running");
      return fixture;
    };
    for (const [title, chapter] of Object.entries(chapters)) describe(title, () => chapter(use));
  });
}
