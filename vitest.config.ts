import { defineConfig } from "vitest/config";
import type { Reporter, TestModule } from "vitest/node";

/**
 * Ends the run with the one plain line that CI counts tests by. A file that cannot be imported, a
 * hook that throws, a test that never finished and an unhandled error each count as a failed test.
 */
class PlainLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[] = []): void {
    const count = { passed: 0, failed: unhandledErrors.length, skipped: 0, pending: 0 };
    for (const module of modules) {
      count.failed += module.errors().length;
      for (const suite of module.children.allSuites()) count.failed += suite.errors().length;
      for (const test of module.children.allTests()) count[test.result().state] += 1;
    }
    const skipped = count.skipped > 0 ? `, ${count.skipped} skipped` : "";
    console.log(`\n${count.passed} passed, ${count.failed + count.pending} failed${skipped}`);
  }
}

const SECOND = 1000;

/** Files that take too long for `npm test`; `npm run test:long` runs them. */
const long = "{packages/*/src,test}/**/*.long.test.ts";

/** Files that take longer than CI has; `npm run soak` runs them. */
const soak = "test/**/*.soak.test.ts";

/** A vitest project: its name, its files, and how long one test or hook of it may take. */
function project(name: string, include: string[], seconds: number, alone = false) {
  return {
    extends: true as const,
    test: {
      name,
      include,
      exclude: [long, soak].filter((pattern) => !include.includes(pattern)),
      testTimeout: seconds * SECOND,
      hookTimeout: seconds * SECOND,
      // Projects that spawn processes run one file at a time, after the others.
      ...(alone ? { fileParallelism: false, sequence: { groupOrder: 1 } } : {}),
    },
  };
}

const unitFiles = ["packages/*/src", "benchmarks/src", "test/tidy"].map(
  (at) => `${at}/**/*.test.ts`,
);
const unit = project("unit", unitFiles, 15);
// A hundred small files: one after the other in the same two processes takes half the time.
Object.assign(unit.test, { isolate: false });

export default defineConfig({
  // Between packages, tests run the sources; only spawned processes run dist.
  resolve: { conditions: ["@pdpm/source"] },
  ssr: { resolve: { conditions: ["@pdpm/source"] } },
  test: {
    reporters: ["default", new PlainLine()],
    env: { PDPM_VERIFY: "all" },
    pool: "forks",
    maxWorkers: "100%",
    projects: [
      unit,
      project("contract", ["test/contract/**/*.test.ts"], 30),
      project("simulation", ["test/simulation/**/*.test.ts"], 300),
      project("integration", ["test/integration/**/*.test.ts"], 120),
      project("crash", ["test/crash/**/*.test.ts"], 300, true),
      project("long", [long], 300),
      project("soak", [soak], 3000),
    ],
  },
});
