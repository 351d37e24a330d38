// A load of many operations on few keys for clients that are killed in the middle of it, and what
// their records and the store's audit say afterwards. Clients are processes or worker threads.
//
// What must hold: a client writes down that an operation begins before it calls the store, and how
// it ended after; each is one write(2) to a file that outlives the client. What has no end is
// "unknown".

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Operation, StoreAccount } from "@pdpm/checker";
import { top } from "../support/processes.ts";

function built(name: string, file: string): string {
  return pathToFileURL(join(top, "packages", name, "dist", file)).href;
}

/** By address, so that worker threads find them, too. */
const modules = {
  kv: built("kv", "index.js"),
  direct: built("direct", "index.js"),
  open: built("client", "open.js"),
  connect: built("client", "connect-cluster.js"),
  connectMetadata: built("client", "connect-metadata.js"),
  clover: built("clover", "index.js"),
  remote: built("metadata-server", "remote.js"),
  url: built("client", "url.js"),
  options: built("client", "options.js"),
};

/** What one client of the load is told. */
export interface Load {
  /** Unique among all clients of one history. */
  readonly client: number;
  /** Where its operations are recorded. */
  readonly record: string;
  readonly directory?: string;
  readonly url?: string;
  readonly options?: Readonly<Record<string, unknown>>;
  /** Writes may end in doubt, because the one that carries them out is killed, too (H11). */
  readonly mayDoubt?: boolean;
  /** Values are this many times as large: operations take longer, and there are fewer. */
  readonly scale?: number;
  /** A lane rests for up to so long between two operations. Milliseconds. @defaultValue 4 */
  readonly restMs?: number;
  /** Zero of the history's clock, nanoseconds on the host's. */
  readonly zero: string;
}

/** What a client of the load says when it was stopped in good order. */
export interface Ended {
  readonly operations: number;
  /** Errors other than conflicts. */
  readonly failures: readonly string[];
}

/** What an audit says. */
export interface Audited extends StoreAccount {
  /** What was held when the auditor came. */
  readonly heldAtFirst: number;
  readonly waitedMs: number;
}

/** Operations in flight per client, and the keys that all clients work on. */
const lanes = 6;
const keys: readonly string[] = Array.from({ length: 5 }, (_, i) => `hot ${i}`);
/** So that clients that start, and servers, have their turn on few cores. */
const restMs = 4;
/** A deadline that only something stuck can miss. */
const operationMs = 30_000;

/** Text of openClient(given), recorder(given, client) and hotLoad(given, say, stopping). */
export const loadScript = `
  const modules = ${JSON.stringify(modules)};
  const keys = ${JSON.stringify(keys)};

  async function openClient(given) {
    const { clientOptions } = await import(modules.options);
    if (given.directory !== undefined) {
      const { openEmbedded } = await import(modules.open);
      return openEmbedded(given.directory, clientOptions(given.options ?? {}, "open"));
    }
    const { parseUrl } = await import(modules.url);
    const { design, servers } = parseUrl(given.url);
    const options = clientOptions(given.options ?? {}, "connect");
    if (design === "direct") {
      const { connectCluster } = await import(modules.connect);
      return connectCluster(servers, options);
    }
    const { connectMetadata } = await import(modules.connectMetadata);
    return connectMetadata(servers[0], options);
  }

  const sizes = [24, 200, 900, 3000, 9000];
  function valueOf(identity, scale) {
    const sequence = Number(identity.split(":")[1]);
    const size = sizes[sequence % sizes.length] * scale;
    const bytes = Buffer.alloc(size, 97 + (sequence % 26));
    bytes.write(identity + ";");
    return bytes;
  }
  function identityOf(bytes, scale) {
    const text = Buffer.from(bytes.subarray(0, 24)).toString("latin1");
    const identity = text.slice(0, Math.max(0, text.indexOf(";")));
    const isWhole = /^\\d+:\\d+$/.test(identity) && valueOf(identity, scale).equals(bytes);
    if (!isWhole) throw new Error("a value was read that nobody wrote: " + text);
    return identity;
  }

  /** Does one operation and records it. */
  async function recorder(given, client) {
    const { openSync, writeSync } = await import("node:fs");
    const { toKey } = await import(modules.kv);
    const record = openSync(given.record, "a");
    const note = (what) => writeSync(record, JSON.stringify(what) + "\\n");
    const now = () => Number(process.hrtime.bigint() - BigInt(given.zero));
    const limits = { timeoutMs: ${operationMs} };
    const scale = given.scale ?? 1;
    const seen = new Map();
    let sequence = 0;
    let told = 0;
    // Counted as it goes: who recovers a dead one's lock may be killed next. Central's clients
    // recover nothing.
    const noteRecoveries = () => {
      const recoveries = client.backend.session?.events.recoveries ?? 0;
      if (recoveries > told) note({ recoveries: recoveries - told });
      told = recoveries;
    };
    const call = async (op, key, ifVersion, value) => {
      const { backend } = client;
      if (op === "get") {
        const found = await backend.get(toKey(key), limits);
        const identity = found === undefined ? null : identityOf(found.value, scale);
        return { value: identity, version: found?.version ?? null };
      }
      const condition = ifVersion ?? undefined;
      const version = await (op === "delete"
        ? backend.delete(toKey(key), condition, limits)
        : backend.put(toKey(key), value, condition, limits));
      return { version: version ?? null };
    };
    return {
      get operations() { return sequence; },
      seen,
      failures: [],
      noteRecoveries,
      async run(op, key, ifVersion = null) {
        const id = (sequence += 1);
        const isPut = op === "put" || op === "cas";
        const identity = isPut ? given.client + ":" + id : null;
        const value = isPut ? valueOf(identity, scale) : undefined;
        noteRecoveries();
        note({ id, client: given.client, op, key, ifVersion, value: identity, start: now() });
        try {
          const answer = await call(op, key, ifVersion, value);
          const end = now();
          note({ id, end, outcome: "ok", ...answer });
          seen.set(key, op === "delete" ? 0 : (answer.version ?? 0));
        } catch (error) {
          const end = now();
          if (error.code === "PDPM_CONFLICT") {
            const found = Number(/its version is (\\d+)/.exec(error.message)?.[1] ?? 0);
            seen.set(key, found);
            note({ id, end, outcome: "conflict", version: found });
          } else {
            const isDoubt =
              given.mayDoubt && error.code === "PDPM_UNAVAILABLE" && error.outcome === "unknown";
            if (!isDoubt || op === "get") {
              this.failures.push(op + " of " + key + ": " + error.stack);
            }
            note({ id, end, outcome: op === "get" ? "unknown" : (error.outcome ?? "unknown") });
          }
        }
      },
    };
  }

  async function hotLoad(given, say, stopping) {
    const client = await openClient(given);
    const records = await recorder(given, client);
    say("ready");
    const step = () => {
      const key = keys[Math.floor(Math.random() * keys.length)];
      const dice = Math.random();
      const version = records.seen.get(key) ?? 0;
      if (dice < 0.3) return records.run("get", key);
      if (dice < 0.6) return records.run("put", key);
      if (dice < 0.85) return records.run("cas", key, version);
      return records.run("delete", key, version > 0 && dice < 0.92 ? version : null);
    };
    const lane = async () => {
      while (!stopping.now) {
        await step();
        const restMs = Math.random() * (given.restMs ?? ${restMs});
        await new Promise((resolve) =>
          restMs >= 1 ? setTimeout(resolve, restMs) : setImmediate(resolve),
        );
      }
    };
    await Promise.all(Array.from({ length: ${lanes} }, lane));
    const { operations, failures } = records;
    records.noteRecoveries();
    await client.backend.close(10_000);
    say({ operations, failures });
  }
`;

/**
 * A process that loads, opens the store when it is told to, and takes part until it is told to
 * stop.
 */
export const processScript = `${loadScript}
  const stopping = { now: false };
  const told = new Promise((resolve) => heard.once("line", resolve));
  for (const name of ["kv", "direct", "open", "connect", "connectMetadata", "url", "options"]) {
    await import(modules[name]);
  }
  await told;
  heard.on("line", () => { stopping.now = true; });
  await hotLoad(given, say, stopping);
  process.exit(0);
`;

/**
 * A process that comes when the others are gone: waits, at most \`given.waitMs\`, until its
 * housekeeping has taken back everything; audits; then works on every key once more, for the
 * record.
 */
export const auditScript = `${loadScript}
  const client = await openClient(given);
  const { auditStore, readLeases } = await import(modules.direct);
  const start = performance.now();
  let heldAtFirst;
  let report;
  let leases;
  for (;;) {
    report = await client.backend.run("audit", auditStore, {});
    const records = await client.backend.run("audit", ({ session }) => readLeases(session), {});
    leases = records.map(({ clientId }) => clientId);
    leases = leases.filter((id) => id !== client.backend.session.clientId);
    heldAtFirst ??= [...report.heldBy.values()].reduce((sum, count) => sum + count, 0);
    const isQuiet = report.heldBy.size === 0 && leases.length === 0;
    if (isQuiet || performance.now() - start > given.waitMs) break;
    await sleep(systemClock, 50);
  }
  const waitedMs = Math.round(performance.now() - start);
  const { problems, heldBy, keys: count, overflowBuckets, space } = report;
  const records = await recorder(given, client);
  for (const key of keys) {
    for (const op of ["get", "put", "get", "delete"]) await records.run(op, key);
    await records.run("cas", key, 0);
    await records.run("get", key);
  }
  await client.backend.close(10_000);
  const { cellsLive, cellsUncommitted } = space;
  const { operations, failures } = records;
  say({
    problems: problems.map(({ invariant, text }) => ({ invariant, text })),
    heldBy: [...heldBy.keys()], clientsLeft: leases, heldAtFirst, waitedMs, keys: count,
    cellsOfIndex: overflowBuckets, cellsLive, cellsUncommitted, operations, failures,
  });
  process.exit(0);
`;

/** What one client wrote down. */
export interface ClientRecord {
  readonly operations: readonly Operation[];
  /** Operations that have begun and not ended. */
  readonly inFlight: number;
  /** Cells of others that it recovered. */
  readonly recoveries: number;
}

/** Reads one client's record. The last line may be torn: it is then as if it was never written. */
export function readRecord(path: string): ClientRecord {
  const operations = new Map<number, Operation>();
  let recoveries = 0;
  const lines = readFileSync(path, "utf8").split("\n");
  lines.pop();
  for (const line of lines) {
    const { id, ...fields } = JSON.parse(line);
    if (id === undefined) {
      recoveries += fields.recoveries;
      continue;
    }
    const open = { version: null, end: null, outcome: "unknown" };
    operations.set(id, { ...open, ...operations.get(id), ...fields });
  }
  const all = [...operations.values()];
  return { operations: all, inFlight: all.filter(({ end }) => end === null).length, recoveries };
}
