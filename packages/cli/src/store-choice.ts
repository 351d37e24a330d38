// Which store a verb works on: --dir (embedded), --url, or PDPM_URL; and its options, with the
// names that open() and connect() have.
//
// What must hold: whatever happens the store is closed, and within the time that the caller gave.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { PdpmError, systemClock } from "@pdpm/base";
import { regionFileName } from "@pdpm/transport-mapped";
import type { Command } from "commander";
import { type ClientOptions, connect, type Design, open, type Store } from "pdpm";
import { usageError } from "./failure.ts";
import { interruptible } from "./interrupt.ts";
import { bytes, decimal, oneOf, oneOfNow } from "./option-values.ts";
import type { Given } from "./verb.ts";

/** The designs, in the order in which they are compared. */
export const designsHere: readonly Design[] = ["direct", "central", "clover"];

const designName = oneOf(...designsHere);
/** How memory is reached. */
export const transportName: (text: string) => string = oneOfNow(["auto", "mapped", "ws"], ["sim"]);

/** What was said about the store. */
export interface StoreChoice {
  readonly dir?: string;
  readonly url?: string;
  readonly client: ClientOptions;
}

/** Says how a store is named, on every verb that needs one. */
export function defineStore(command: Command): void {
  command
    .option("--dir <DIR>", "an embedded store: its directory")
    .option("--url <URL>", "a networked store; PDPM_URL stands in for it")
    .option("--timeout-ms <N>", "deadline of an operation (5000)", decimal(0))
    .option("--transport <auto|mapped|ws>", "how memory is reached", transportName);
  defineNewStore(command);
}

/** What concerns a store that is made; one that exists knows its own. */
export function defineNewStore(command: Command): void {
  command
    .option("--design <NAME>", "of a new store: direct, central or clover (clover)", designName)
    .option("--durability <power|process>", "of a new store (power)", oneOf("power", "process"))
    .option("--max-bytes <N>", "of a new store: the most it may take, like 64MiB", bytes)
    .option("--chunk-bytes <N>", "of a new store: 4MiB to 64MiB, a power of two", bytes);
}

/** Reads what `defineStore` defined. */
export function storeChoice({ options }: Given): StoreChoice {
  const { dir, url: urlGiven, timeoutMs, transport, ...rest } = options;
  const { design, durability, maxBytes, chunkBytes } = rest;
  const client = { timeoutMs, transport, design, durability, maxBytes, chunkBytes };
  const url = urlGiven ?? (dir === undefined ? process.env["PDPM_URL"] : undefined);
  return {
    ...(dir === undefined ? {} : { dir: dir as string }),
    ...(url === undefined || url === "" ? {} : { url: url as string }),
    client: client as ClientOptions,
  };
}

/** Opens what was chosen. `create`: make it if it is not there. */
export async function openChosen(choice: StoreChoice, create: boolean): Promise<Store> {
  const { dir, url, client } = choice;
  if (dir !== undefined && url !== undefined) throw usageError("give --dir or --url, not both");
  if (url !== undefined) return connect(url, client);
  if (dir === undefined) {
    throw usageError("which store? give --dir DIR or --url URL, or set PDPM_URL");
  }
  if (!create && !existsSync(join(dir, regionFileName))) {
    const text = `there is no store in ${dir}; \`pdpm put KEY VALUE --dir ${dir}\` makes one`;
    throw new PdpmError("PDPM_WRONG_STORE", text);
  }
  return open(dir, client);
}

/** Opens the store that was named, lends it to `use`, and closes it. */
export function withStore<T>(
  given: Given,
  use: (store: Store, signal: AbortSignal) => Promise<T>,
  { create = false }: { readonly create?: boolean } = {},
): Promise<T> {
  const choice = storeChoice(given);
  const endMs = systemClock.now() + (choice.client.timeoutMs ?? 5000);
  return interruptible(async (signal) => {
    const store = await openChosen(choice, create);
    try {
      const result = await use(store, signal);
      await store.close();
      return result;
    } catch (error) {
      // What could not be had in time is not waited for twice.
      await store.close({ timeoutMs: Math.max(0, endMs - systemClock.now()) });
      throw error;
    }
  });
}
