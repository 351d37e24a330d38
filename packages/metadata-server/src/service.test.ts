// The service as a client sees it: what each request answers.

import { expect, test } from "vitest";
import {
  buffer,
  enter,
  key,
  regionHeaderBytes,
  sceneLabel,
  sceneService,
  sizeClass,
} from "./contract-scene.ts";
import { MemoryStore } from "./memory-store.ts";

test("a key is created in a leased buffer, moves on, and is forgotten", async () => {
  const service = sceneService(new MemoryStore());
  const caller = await enter(service, 7);
  expect(await caller.do({ do: "lease", sizeClass, buffers: 3 })).toEqual({
    grow: { node: 1, place: 0, sizeBytes: regionHeaderBytes + sceneLabel.chunkBytes },
  });
  expect(await caller.do({ do: "addChunk", node: 1, place: 0, sizeClass })).toEqual({ chunk: 1 });
  const [part] = await caller.lease(3);
  expect(part).toMatchObject({ chunk: 1, span: 0 });

  const [a, b] = [buffer(1, 0), buffer(1, 1)];
  const create = { do: "create", key: key("k"), pointer: a, commitNumber: 5 } as const;
  expect(await caller.do(create)).toBe("created");
  const moves = [{ key: key("k"), head: a, next: b, freed: [a] }];
  expect(await caller.do({ do: "advance", moves })).toEqual(["moved"]);
  expect(await service.handle({ ask: "lookup", key: key("k") })).toEqual({
    head: b,
    stale: [],
    floor: 0,
  });
  const forget = { do: "forget", key: key("k"), head: b, commitNumber: 9, freed: [b] } as const;
  expect(await caller.do(forget)).toBe("forgotten");
  expect(await service.handle({ ask: "lookup", key: key("k") })).toEqual({
    head: null,
    stale: [],
    floor: 9,
  });
  expect(await caller.do({ ...create, pointer: buffer(1, 2) })).toEqual({ floor: 9 });
});
