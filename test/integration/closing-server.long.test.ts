// A metadata server, or a coordinator, that is told to close while clients work: what is under way
// is answered first, so nobody is left in doubt, and when it is back they go on.

import { connect } from "pdpm";
import { expect, test } from "vitest";
import { startNode, startServer } from "../support/memory-nodes.ts";
import { Scene } from "../support/processes.ts";

const scene = new Scene();
const lanes = 16;
const closings = 2;

async function soon(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
}

for (const design of ["central", "clover"] as const) {
  test(`${design}: a server that is closed under load answers what is under way, and nothing is in doubt`, async () => {
    const node = await startNode(scene, await scene.directory("memory"));
    const dir = await scene.directory("memory");
    const memoryNodes = [`ws://${node.host}`];
    let server = await startServer(scene, { dir, design, memoryNodes });
    const port = Number(new URL(`ws://${server.host}`).port);
    const store = await connect<string>(`pdpm://${server.host}`, {
      codec: "utf8",
      transport: "ws",
    });
    scene.after(() => store.close({ timeoutMs: 2000 }));
    let isOver = false;
    let puts = 0;
    const lane = async (id: number): Promise<void> => {
      for (let i = 0; !isOver; i += 1) {
        const key = `${id} ${i % 50}`;
        await store.put(key, `${id} ${i}`, { timeoutMs: 20_000 });
        expect(await store.get(key)).toBe(`${id} ${i}`);
        if (i % 7 === 0) expect(await store.delete(key)).toBe(true);
        puts += 1;
      }
    };
    const work = Promise.all(Array.from({ length: lanes }, (_, id) => lane(id)));
    // Looked at below; until then it is nobody's.
    work.catch(() => undefined);
    for (let turn = 0; turn < closings; turn += 1) {
      const before = puts;
      // Under load, however slow the machine; the lanes end early only when they fail.
      const isLoaded = soon(() => puts >= before + lanes * 4);
      await Promise.race([isLoaded, work]);
      server.child.tell("close");
      expect(await server.child.end()).toEqual({ code: 0, signal: null });
      server = await startServer(scene, { dir, design, memoryNodes, port });
    }
    const before = puts;
    await Promise.race([soon(() => puts >= before + lanes), work]);
    isOver = true;
    await work;
  });
}
