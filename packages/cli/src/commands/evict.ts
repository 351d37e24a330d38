// `pdpm evict PID`: ends a process that holds up an embedded store (one that was stopped in the
// middle of a write, say), by its pid and only if it has a lease there. The others then settle what
// it held.

import { evict } from "pdpm";
import { usageError } from "../failure.ts";
import { whole } from "../option-values.ts";
import { writeJson, writeLine } from "../output.ts";
import { exitCodes, type Verb } from "../verb.ts";

/** See the head of this file. */
export const verb: Verb = {
  define(command) {
    command.requiredOption("--dir <DIR>", "the store that it holds up");
  },
  examples: `  $ pdpm evict 4711 --dir ./data       # the message "held by pid 4711" names it
`,
  async run({ args: [text = ""], options }) {
    const dir = options["dir"] as string;
    if (!/^[1-9]\d*$/.test(text)) throw usageError(`"${text}" is no process id`);
    const pid = whole(1)(text);
    const { clients, reaped } = await evict(dir, pid);
    if (options["json"] === true) await writeJson({ pid, clients, reaped });
    else
      await writeLine(`process ${pid} was ended; of its ${clients} clients ${reaped} are settled`);
    return exitCodes.ok;
  },
};
