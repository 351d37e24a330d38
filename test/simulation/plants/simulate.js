// `npm run simulate`: builds its own program (main.ts) from the sources as they stand, and runs it.
// So it needs nothing but what `npm ci` installs, and never runs an old build.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { rolldown } from "rolldown";

const top = fileURLToPath(new URL("../../..", import.meta.url));
const cache = join(top, "node_modules/.cache/pdpm/simulation");
mkdirSync(cache, { recursive: true });
const program = await rolldown({
  input: fileURLToPath(new URL("main.ts", import.meta.url)),
  platform: "node",
  resolve: { conditionNames: ["@pdpm/source", "node", "import"] },
  external: (id) => !/^(\.|\/|@pdpm\/)/.test(id),
  logLevel: "silent",
});
const file = join(cache, `main-${process.pid}.mjs`);
await program.write({ file, format: "esm", codeSplitting: false });
await program.close();
const { main } = await import(pathToFileURL(file).href);
process.exitCode = await main(top, process.argv.slice(2));
