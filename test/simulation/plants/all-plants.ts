// All planted bugs, by hazard.

import { centralPlants } from "./central-plants.ts";
import { cloverPlants } from "./clover-plants.ts";
import { cloverSpacePlants } from "./clover-space-plants.ts";
import { directPlants } from "./direct-plants.ts";
import { metadataPlants } from "./metadata-plants.ts";
import type { Plant } from "./plant.ts";

const all = [
  ...cloverPlants,
  ...cloverSpacePlants,
  ...metadataPlants,
  ...directPlants,
  ...centralPlants,
];

export const plants: readonly Plant[] = all.toSorted(
  (a, b) => Number(a.hazard.slice(1)) - Number(b.hazard.slice(1)),
);
