// Damage as the command line says it: one byte of a value, a key or a header that was flipped in
// the file, with the store closed or open elsewhere, mapped and over ws, makes `pdpm get` end with
// exit code 6 and a line that names the key, with nothing on stdout.

import { Prng } from "@pdpm/base";
import { type ClientOptions, connect, open, type Store } from "pdpm";
import { describe, expect, test } from "vitest";
import { closeNode, startNode, urlOf } from "../support/memory-nodes.ts";
import { Scene } from "../support/processes.ts";
import { type Damage, damages, type KeyBytes, StoreFile } from "../support/store-file.ts";
import { pdpm } from "./cli-runs.ts";

const scene = new Scene();
const options = {
  design: "direct",
  chunkBytes: 2 ** 22,
  maxBytes: 2 ** 28,
  timeoutMs: 20_000,
} as const;
const kinds = ["value", "key", "header"] as const satisfies readonly Damage[];
const names = kinds.map((kind) => `damaged ${kind}`);

async function fill(store: Store): Promise<void> {
  for (const name of [...names, "whole"]) await store.put(name, new Uint8Array(500).fill(1));
}

/** Flips one byte of each name, of the kind that it says; returns what undoes it. */
function damageEach(file: StoreFile, prng: Prng): () => void {
  const keys = file.keys();
  const places = kinds.map((kind, i) =>
    damages[kind](keys.get(names[i] as string) as KeyBytes, prng),
  );
  return file.flip(places, prng);
}

/** Every damaged key is exit code 6 and named; the other one is read. */
async function expectNamed(where: readonly string[]): Promise<void> {
  await Promise.all(
    names.map(async (name) => {
      const run = await pdpm(scene, ["get", name, ...where]);
      expect(run, `${name}: ${run.stderr}`).toMatchObject({ code: 6, stdout: "" });
      expect(run.stderr).toMatch(/^pdpm get: PDPM_CORRUPT: [^\n]+\n$/);
      expect(run.stderr).toContain(`"${name}"`);
    }),
  );
  const whole = await pdpm(scene, ["get", "whole", ...where]);
  expect(whole.code).toBe(0);
  expect(whole.bytes.equals(Buffer.alloc(500, 1))).toBe(true);
}

describe("one flipped byte is exit code 6, and the key is named", () => {
  test("mapped, while the store is closed and while another process has it open", async () => {
    const directory = await scene.directory("memory");
    const file = new StoreFile(directory);
    const prng = new Prng("cli mapped");
    const first = await open(directory, options);
    await fill(first);
    await first.close();
    const undo = damageEach(file, prng);
    await expectNamed(["--dir", directory]);
    undo();
    const store = await open(directory, options);
    scene.after(() => store.close({ timeoutMs: 2000 }));
    for (const name of names) expect((await store.get(name))?.length).toBe(500);
    damageEach(file, prng);
    await expectNamed(["--dir", directory]);
  });

  test("over ws, while the memory node was down and while it runs", async () => {
    const directory = await scene.directory("memory");
    const file = new StoreFile(directory);
    const prng = new Prng("cli ws");
    let node = await startNode(scene, directory);
    const store = await connect(urlOf(node.host), { ...options, transport: "ws" } as ClientOptions);
    await fill(store);
    await store.close();
    const undo = damageEach(file, prng);
    await expectNamed(["--url", urlOf(node.host), "--transport", "ws"]);
    undo();
    await closeNode(node);
    damageEach(file, prng);
    node = await startNode(scene, directory);
    await expectNamed(["--url", urlOf(node.host), "--transport", "ws"]);
  });
});
