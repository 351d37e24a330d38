// A Clover client dies at every point of each of its operations, and the power with it. The
// metadata service dies at every commit.

import * as deaths from "./clover-death-scenes.ts";
import { testServedDeaths } from "./death-tests.ts";

testServedDeaths("clover", deaths);
