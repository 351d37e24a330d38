// `pdpm fsck DIR`: reads every byte of a store that nobody uses and says what is wrong with it.
// With
// --repair --yes it mends that. 0: the store is sound (now); 6: it is not.

import { type FsckReport, fsck } from "pdpm";
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
    else for (const line of linesOf(dir, report, repair)) await writeLine(line);
    return report.remaining.length === 0 ? exitCodes.ok : exitCodes.integrity;
  },
};

function linesOf(dir: string, report: FsckReport, repair: boolean): string[] {
  const { problems, repaired, lost, remaining, keys, space, heldByDead } = report;
  const held = heldByDead === 0 || repair ? "" : `; ${heldByDead} places were held by dead clients`;
  const count = (of: number, what: string): string => `${of} ${what}${of === 1 ? "" : "s"}`;
  const mended = repair ? `, ${remaining.length} left after the repair` : "";
  const verdict = problems.length === 0 ? "sound" : `${count(problems.length, "problem")}${mended}`;
  return [
    ...problems,
    ...repaired.map((done) => `mended: ${done}`),
    ...lost.map((key) => `lost: ${key}`),
    ...(repair ? remaining.map((problem) => `left: ${problem}`) : []),
    `${dir}: ${verdict}; ${count(keys, "key")} in ${count(space.chunks, "chunk")}${held}`,
  ];
}
