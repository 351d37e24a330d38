// Increments of four processes on one store are exact: mapped, over ws, and two of each. All three
// fail when slot-lock.ts takes no lock (its `mine` set to `idle`): tried by hand, sums fall to 80
// of 100.

import { expect, test } from "vitest";
import { expectExactSums } from "../support/increments.ts";
import { startNode, urlOf } from "../support/memory-nodes.ts";
import { Scene } from "../support/processes.ts";

const scene = new Scene();
const times = 10_000;

test("increments of four processes that opened one directory are exact", async () => {
  const directory = await scene.directory("memory");
  const reach = { directory, options: { design: "direct" } };
  expect(await expectExactSums(scene, [reach, reach, reach, reach], times, 60_000)).toBeGreaterThan(
    0,
  );
});

for (const transports of [
  ["ws", "ws", "ws", "ws"],
  ["ws", "mapped", "ws", "mapped"],
]) {
  test(`increments of clients over ${transports.join(", ")} are exact`, async () => {
    const nodes = [await scene.directory("memory"), await scene.directory("memory")];
    const hosts: string[] = [];
    for (const directory of nodes) hosts.push((await startNode(scene, directory)).host);
    const reaches = transports.map((transport) => ({
      url: urlOf(...hosts),
      options: { transport },
    }));
    expect(await expectExactSums(scene, reaches, times, 60_000)).toBeGreaterThan(0);
  });
}
