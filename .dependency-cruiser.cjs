// What each package may import: an allow-list, because an order would let a backend import a
// transport. Rows for packages that do not exist yet wait here for them.
const transports = ["transport-mapped", "transport-ws"];
const backends = ["direct", "central", "clover"];
const ALLOWED = {
  base: [],
  layout: ["base"],
  checker: ["base"],
  verbs: ["base", "layout"],
  "transport-mapped": ["base", "layout", "verbs"],
  "transport-ws": ["base", "layout", "verbs"],
  simulator: ["base", "layout", "verbs"],
  "memory-node": ["base", "layout", "verbs", ...transports],
  kv: ["base", "verbs"],
  "metadata-server": ["base", "layout", "verbs", "transport-ws"],
  direct: ["base", "layout", "verbs", "kv"],
  central: ["base", "layout", "verbs", "kv", "metadata-server"],
  clover: ["base", "layout", "verbs", "kv", "metadata-server"],
  client: [
    "base",
    "layout",
    "verbs",
    ...transports,
    "memory-node",
    "kv",
    "metadata-server",
    ...backends,
  ],
};
// The command line may import every package.
ALLOWED.cli = [...Object.keys(ALLOWED), "simulator"];

/** Code that only tests run: beside a source, and the exported contract suites. */
const TESTS = "[.]test[.]ts$|^packages/[^/]+/src/(contract[a-z-]*[.]ts$|testing/)";

/** Only the packages named may import the library. */
function onlyIn(library, ...packages) {
  return {
    name: `${library}-only-in-${packages.join("-") || "benchmarks"}`,
    severity: "error",
    from: { path: "^packages/", pathNot: packages.map((name) => `^packages/${name}/`) },
    to: { path: `(^|/)node_modules/${library}/` },
  };
}

/** Of the package `to`, the package `from` may import these files alone. */
function onlyFiles(from, to, files) {
  return {
    name: `${from}-sees-little-of-${to}`,
    severity: "error",
    from: { path: `^packages/${from}/`, pathNot: TESTS },
    to: { path: `^packages/${to}/`, pathNot: `^packages/${to}/src/(${files.join("|")})\\.ts$` },
  };
}

module.exports = {
  forbidden: [
    {
      name: "no-circular",
      severity: "error",
      from: { pathNot: "^test/simulation/" },
      to: { circular: true },
    },
    {
      // A simulated client and its world know each other's types; their code goes one way.
      name: "no-circular",
      severity: "error",
      from: { path: "^test/simulation/" },
      to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } },
    },
    {
      // An import that does not resolve is an import that no layer rule sees.
      name: "no-unresolvable",
      severity: "error",
      from: {},
      to: { couldNotResolve: true },
    },
    ...Object.entries(ALLOWED).map(([name, allowed]) => ({
      name: `layer-${name}`,
      severity: "error",
      from: { path: `^packages/${name}/` },
      to: { path: "^packages/", pathNot: `^packages/(${[name, ...allowed].join("|")})/` },
    })),
    {
      // A new package takes a row in the allow-list first.
      name: "layer-unknown",
      severity: "error",
      from: { path: "^packages/", pathNot: `^packages/(${Object.keys(ALLOWED).join("|")})/` },
      to: { path: "^packages/" },
    },
    {
      name: "packages-are-below-tests-and-benchmarks",
      severity: "error",
      from: { path: "^packages/" },
      to: { path: "^(test|benchmarks)/" },
    },
    // Passive: a memory node imports nothing that knows what a key is.
    onlyFiles("memory-node", "layout", ["region-header", "frame", "address", "field", "checksum"]),
    // A verb names an address; what stands there is not its business.
    onlyFiles("verbs", "layout", ["address"]),
    onlyFiles("clover", "metadata-server", ["protocol"]),
    onlyIn("koffi", "transport-mapped"),
    onlyIn("lmdb", "metadata-server"),
    {
      name: "vitest-only-in-tests",
      severity: "error",
      from: { path: "^(packages|benchmarks)/", pathNot: TESTS },
      to: { path: "(^|/)node_modules/vitest/" },
    },
    {
      // The contract suites import vitest: a product that reaches one does not start.
      name: "no-tests-in-products",
      severity: "error",
      from: { path: "^(packages|benchmarks)/", pathNot: TESTS },
      to: { path: TESTS },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    // Our own build output; not every dist, or libraries that have one are seen by no rule.
    exclude: { path: "^packages/[^/]+/dist/|^benchmarks/dist/|^[.][.]/dist/|^test/fixtures/" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: `${__dirname}/tsconfig.base.json` },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["@pdpm/source", "import", "types", "node", "default"],
    },
  },
};
