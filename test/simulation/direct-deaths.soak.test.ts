// A Direct client dies at every point of each of its operations, and the power with it.

import { testDeaths } from "./death-tests.ts";
import * as deaths from "./direct-death-scenes.ts";

testDeaths("direct", deaths);
