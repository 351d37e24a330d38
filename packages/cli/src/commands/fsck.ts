// `pdpm fsck DIR`: reads every byte of a store that nobody uses and says what is wrong with it.
// With
// --repair --yes it mends that. 0: the store is sound (now); 6: it is not.

import { fsck } from "pdpm";
import { usageError } from "../failure.ts";
import { writeJson, writeLine } from "../output.ts";
import { exitCodes, type Verb } from "../verb.ts";

/** See the head of this file. */
export const verb: Verb = {
  define(command) {
    command
      .option("--repair", "mend what is wrong; what cannot be read is lost")
      .option("--yes", "I have read what would be lost");
  },
  examples: `  $ pdpm fsck ./data                  # changes nothing
  $ pdpm fsck ./data --repair --yes
`,
  async run({ args: [dir = ""], options }) {
    const repair = options["repair"] === true;
    if (repair && options["yes"] !== true) {
      const text = `--repair gives up what cannot be read: look at \`pdpm fsck ${dir}\` first`;
      throw usageError(`${text}, then add --yes`);
    }
    const report = await fsck(dir, { repair });
    if (options["json"] === true) await writeJson(report);
    else {
      for (const problem of report.problems) await writeLine(problem);
      const count = report.problems.length;
      const verdict = count === 0 ? "sound" : `${count} problems${repair ? ", mended" : ""}`;
      await writeLine(`${dir}: ${verdict}; ${report.keys} keys`);
    }
    return report.problems.length === 0 || repair ? exitCodes.ok : exitCodes.integrity;
  },
};
