// The contract suite against the smallest backend there can be: what fails here is a defect of the
// suite or of the store above the backends. Both ways of answering, at once and later, are covered.

import { Store } from "@pdpm/kv";
import { kvContract } from "@pdpm/kv/contract";
import { bytesCodec } from "../../packages/client/src/codecs.ts";
import { MapBackend, MapMemory } from "./map-backend.ts";

for (const [name, isLate] of [
  ["a map that answers at once", false],
  ["a map that answers a turn later", true],
] as const) {
  kvContract(name, async () => {
    const memory = new MapMemory();
    return {
      open: async () => new Store(new MapBackend(memory, isLate), bytesCodec),
      teardown: async () => {},
    };
  });
}
