// Planted bugs of Clover's clients.

import type { Plant } from "./plant.ts";

const source = "packages/clover/src";

export const cloverPlants: readonly Plant[] = [
  {
    name: "no-flush-before-link",
    hazard: "H7",
    designs: ["clover"],
    file: `${source}/new-version.ts`,
    find: "return [write(address, image), ...this.#context.session.flushes(address, image.length)];",
    replace: "return [write(address, image)];",
    why: "A link that is durable leads to bytes that a power failure takes away.",
  },
];
