// One row from beginning to end: clients open the store, load it or warm up, work, are measured,
// and close. Verbs are counted from before the clients open until after they have closed, so that
// what they posted and what the memory nodes applied is the same, housekeeping included.

import type { ClientOptions } from "pdpm";
import { usageError } from "../failure.ts";
import { type Fleet, failureOf } from "./fleet.ts";
import { newestOf } from "./last-writes.ts";
import { type Row, type RowSettings, rowOf } from "./row.ts";
import type { WorkOrder, WorkReport } from "./steps.ts";
import { Tally } from "./tally.ts";
import type { Target } from "./target.ts";
import { workloads } from "./workload.ts";

/** What a row needs to know. */
export interface RowOrder {
  readonly settings: Omit<RowSettings, "design">;
  readonly client: ClientOptions;
  /** Whether the records are to be written first. */
  readonly loads: boolean;
  /** Whether every client is to read every record first, so that it knows where each one is. */
  readonly touches: boolean;
  /** Whether every record is to be read back afterwards and compared. */
  readonly verifies: boolean;
  readonly seconds: number | undefined;
  /** Of all clients together. */
  readonly operations: number | undefined;
  /** Is told what is going on. */
  readonly tell: (doing: string) => void;
}

/** Runs one row. @throws what opening or loading threw; PDPM_UNAVAILABLE when every client died */
export async function runRow(fleet: Fleet, target: Target, order: RowOrder): Promise<Row> {
  const { settings, tell } = order;
  const opened = await target.stats();
  tell("opening the store");
  const design = await open(fleet, target, order);
  if (order.loads) {
    tell(`loading ${settings.records} records`);
    failAtFirst(await fleet.all("load", () => null));
  }
  if (order.touches) {
    tell("finding the records");
    failAtFirst(await fleet.all("touch", () => null));
  }
  const { warmupSeconds, workload } = settings;
  if (warmupSeconds > 0) {
    tell("warming up");
    const warmUp = share(order, { seconds: warmupSeconds, operations: undefined });
    await fleet.all("work", () => warmUp);
  }
  tell(`workload ${workload}`);
  const begun = await target.stats();
  const work = share(order, order);
  const reports = await fleet.all("work", () => work);
  const ended = await target.stats();
  const space = await fleet.one("space", null);
  const verified = order.verifies ? await verify(fleet, tell) : null;
  tell("closing");
  const closings = await fleet.all("close", () => null);
  const closed = await target.stats();
  return rowOf(
    { ...settings, design },
    {
      reports: present(reports),
      counters: present(closings),
      servers: { opened, begun, ended, closed },
      space,
      verified,
      dead: fleet.dead,
    },
  );
}

/** Opens the store in every client; the first one alone, for it may have to make it. */
async function open(fleet: Fleet, target: Target, order: RowOrder): Promise<string> {
  const { dir, url } = target;
  const place = dir === undefined ? { url: url ?? "" } : { dir };
  const ask = { ...place, client: order.client };
  const { design, supports } = await fleet.one("open", ask);
  const { workload } = order.settings;
  if ((workloads[workload].mix.scan ?? 0) > 0 && !supports.orderedKeys) {
    throw usageError(
      `workload ${workload} scans keys in order, which design ${design} cannot do ` +
        "(supports.orderedKeys is false); choose a, b, c, d, f or replay",
    );
  }
  await fleet.all("open", (client) => (client === fleet.first ? undefined : ask));
  return design;
}

/** One client's share of the work. */
function share(
  { settings }: RowOrder,
  { seconds, operations }: Pick<RowOrder, "seconds" | "operations">,
): WorkOrder {
  const { clients, rate, workload, inFlight } = settings;
  return {
    workload,
    inFlight,
    seconds,
    operations: operations === undefined ? undefined : Math.ceil(operations / clients),
    rate: rate === null ? undefined : rate / clients,
  };
}

/** A load that is not complete is no ground to run on. */
function failAtFirst(reports: readonly (WorkReport | undefined)[]): void {
  const tally = new Tally();
  for (const report of present(reports)) tally.add(report.tally);
  const [failure] = tally.failures;
  if (failure === undefined) return;
  const [code, { message }] = failure;
  throw failureOf({ code, text: `before the run: ${message}` });
}

async function verify(fleet: Fleet, tell: (doing: string) => void): Promise<boolean> {
  tell("reading everything back");
  const expected = newestOf(present(await fleet.all("written", () => null)));
  const { right, wrong } = await fleet.one("verify", expected);
  return wrong === 0 && right === expected.length;
}

function present<T>(replies: readonly (T | undefined)[]): T[] {
  return replies.filter((reply) => reply !== undefined);
}
