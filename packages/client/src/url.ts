// The URL of a networked store: `pdpm://h1:7401,h2:7401?design=direct` lists its memory nodes in
// any order; without `design=direct` it names the metadata server (Clover) or coordinator
// (Central). Read by hand, because a WHATWG URL has one host; each host of the list then goes
// through it alone.

import { PdpmError } from "@pdpm/base";
import { type Design, designs } from "./options.ts";

/** A server of the list. */
export interface ServerAddress {
  /** A name in lower case, an IPv4 address, or an IPv6 address without brackets. */
  readonly host: string;
  readonly port: number;
  /** Both, as they stand in a URL: "h1:7401", "[::1]:7401". */
  readonly text: string;
}

/** What a URL says. */
export interface StoreUrl {
  /** "direct": the servers are memory nodes; else there is one, which knows its design. */
  readonly design: Design | undefined;
  /** At least one, each once, in the order of the URL. */
  readonly servers: readonly ServerAddress[];
}

const scheme = "pdpm://";
const example = "pdpm://h1:7401,h2:7401?design=direct";

/**
 * Reads the URL of a store.
 * @param design - What the option `design` says; the URL must not say otherwise.
 * @throws PDPM_INVALID_ARGUMENT saying what is wrong.
 */
export function parseUrl(url: string, design?: Design): StoreUrl {
  if (typeof url !== "string" || !url.startsWith(scheme)) {
    throw invalid(url, `it must begin with ${scheme}`);
  }
  const rest = url.slice(scheme.length);
  if (/[\s#@\\]/.test(rest)) throw invalid(url, "it must not have blanks, #, @ or backslashes");
  const queryAt = rest.indexOf("?");
  const list = (queryAt < 0 ? rest : rest.slice(0, queryAt)).replace(/\/$/, "");
  const inQuery = designIn(url, queryAt < 0 ? "" : rest.slice(queryAt + 1));
  if (list.includes("/"))
    throw invalid(url, "it has no path; stores are told apart by their hosts");
  if (inQuery !== undefined && design !== undefined && inQuery !== design) {
    throw invalid(url, `it says design ${inQuery}, the option says ${design}`);
  }
  const servers = list.split(",").map((text) => addressOf(url, text));
  for (const [index, { text }] of servers.entries()) {
    if (servers.findIndex((each) => each.text === text) !== index) {
      throw invalid(url, `it names ${text} twice`);
    }
  }
  const said = inQuery ?? design;
  if (said !== "direct" && servers.length > 1) {
    throw invalid(
      url,
      `a store of design ${said ?? "clover or central"} is named by its one metadata server; ` +
        "a list of memory nodes needs ?design=direct",
    );
  }
  return { design: said, servers };
}

function designIn(url: string, query: string): Design | undefined {
  let design: Design | undefined;
  for (const [name, value] of new URLSearchParams(query)) {
    if (name !== "design") throw invalid(url, `"${name}" is unknown; a URL can say design only`);
    if (design !== undefined) throw invalid(url, "it says design twice");
    design = designs.find((each) => each === value);
    if (design === undefined) {
      throw invalid(url, `there is no design "${value}"; there are ${designs.join(", ")}`);
    }
  }
  return design;
}

function addressOf(url: string, text: string): ServerAddress {
  if (text === "") throw invalid(url, "a host is missing");
  const colons = text.split(":").length - 1;
  if (colons > 1 && !text.startsWith("[")) {
    throw invalid(url, `"${text}" is no host and port; an IPv6 address stands in brackets`);
  }
  const [, host, port] = /^(\[[^\]]*\]|[^[\]:]*)(?::(.*))?$/.exec(text) ?? [];
  if (host === undefined || host === "") throw invalid(url, `"${text}" is no host and port`);
  if (port === undefined || port === "") {
    throw invalid(url, `"${text}" has no port; write ${host}:7401`);
  }
  const number = Number(port);
  if (!/^\d{1,5}$/.test(port) || number < 1 || number > 65_535) {
    throw invalid(url, `"${port}" is no port; it must be from 1 to 65535`);
  }
  // An http URL knows what a host may look like, and gives every address its one form.
  const canonical = URL.canParse(`http://${host}:1`) ? new URL(`http://${host}:1`).hostname : "";
  if (canonical === "" || host.includes("%")) throw invalid(url, `"${host}" is no host`);
  return { host: canonical.replace(/^\[|\]$/g, ""), port: number, text: `${canonical}:${number}` };
}

function invalid(url: unknown, reason: string): PdpmError {
  const text = `the URL ${JSON.stringify(url)} is not one of a store: ${reason}`;
  return new PdpmError("PDPM_INVALID_ARGUMENT", `${text}; example: ${example}`);
}
