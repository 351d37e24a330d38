// All planted bugs.

import { cloverPlants } from "./clover-plants.ts";
import type { Plant } from "./plant.ts";

export const plants: readonly Plant[] = [...cloverPlants];
