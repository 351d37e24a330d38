// Every planted bug of Central is caught by its simulation.

import { expectCaught } from "./expect-caught.ts";

expectCaught("central");
