// Increments of four processes on one store are exact, in every design: mapped, over ws, and two of
// each. PDPM_INCREMENTS says how many; `npm run soak` makes 100,000.

import { expect, test } from "vitest";
import { designs, expectExactSums, transports } from "../support/increments.ts";
import { Scene } from "../support/processes.ts";

const scene = new Scene();
const times = Number(process.env["PDPM_INCREMENTS"] ?? 20_000);
const timeoutMs = 280_000;

for (const design of designs) {
  for (const transport of transports) {
    const what = `${design}, ${transport}: ${times} increments of four processes are exact`;
    test(what, { timeout: timeoutMs + 20_000 }, async () => {
      const met = await expectExactSums(scene, design, transport, times, timeoutMs);
      console.log(`${design}, ${transport}: they met ${met} times`);
      expect(met).toBeGreaterThan(0);
    });
  }
}
