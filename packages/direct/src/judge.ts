// Who holds what we wait for, and does it still live? Asked of "members", a service beside the data
// path: it says "dead" only after the client can post nothing any more, at any node (H6: fence
// first, reclaim second). An answer "alive" is believed for a moment, so that a hot lock does not
// turn every wait into a question; a process that dies within that moment is found out at the next
// one.

import { call, type Protocol, round } from "@pdpm/verbs";
import type { Context } from "./session.ts";

/** The server name of the membership service. */
export const membersServer = "members";

/** What protocols ask of it. */
export interface JudgeRequest {
  readonly judge: number;
}

/** What it answers. */
export interface Judgement {
  readonly alive: boolean;
  /** For messages: pid and command as far as they are known. */
  readonly who: string;
}

/** Whether `clientId` may still post verbs. One call, no round trip on the data path. */
export function* judge(context: Context, clientId: number): Protocol<Judgement> {
  if (clientId === context.session.clientId) return { alive: true, who: "this client" };
  const request: JudgeRequest = { judge: clientId };
  const [judgement] = yield* round(call<Judgement>(membersServer, request));
  return judgement;
}
