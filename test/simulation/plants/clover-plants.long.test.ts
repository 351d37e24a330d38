// Every planted bug of Clover is caught by its simulation.

import { expectCaught } from "./expect-caught.ts";

expectCaught("clover");
