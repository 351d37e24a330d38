// Every planted bug of Direct is caught by its simulation.

import { expectCaught } from "./expect-caught.ts";

expectCaught("direct");
