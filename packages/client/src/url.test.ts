// URLs of stores: what is right is read exactly, what is wrong is told apart.

import type { PdpmError } from "@pdpm/base";
import { expect, test } from "vitest";
import { parseUrl } from "./url.ts";

function errorOf(url: unknown, design?: "direct" | "clover"): PdpmError {
  try {
    parseUrl(url as string, design);
  } catch (error) {
    return error as PdpmError;
  }
  throw new Error(`nothing was wrong with ${url}`);
}

test("memory nodes are listed in the order of the URL", () => {
  expect(parseUrl("pdpm://h1:7401,h2:7402?design=direct")).toEqual({
    design: "direct",
    servers: [
      { host: "h1", port: 7401, text: "h1:7401" },
      { host: "h2", port: 7402, text: "h2:7402" },
    ],
  });
});

test("names are taken in lower case, addresses in their one form, IPv6 in brackets", () => {
  const { servers } = parseUrl(
    "pdpm://Node-1.EXAMPLE:1,127.0.0.1:65535,[0:0::1]:7401/?design=direct",
  );
  expect(servers).toEqual([
    { host: "node-1.example", port: 1, text: "node-1.example:1" },
    { host: "127.0.0.1", port: 65_535, text: "127.0.0.1:65535" },
    { host: "::1", port: 7401, text: "[::1]:7401" },
  ]);
});

test("one host may carry several nodes, each under its port", () => {
  expect(parseUrl("pdpm://h:1,h:2?design=direct").servers.length).toBe(2);
});

test("the design may come from the option, and must not differ", () => {
  expect(parseUrl("pdpm://h1:7401", "direct").design).toBe("direct");
  expect(parseUrl("pdpm://h1:7401?design=direct", "direct").design).toBe("direct");
  expect(errorOf("pdpm://h1:7401?design=direct", "clover").message).toContain(
    "it says design direct, the option says clover",
  );
});

test("what is wrong with a URL is said in one line that shows it and an example", () => {
  const wrong: Record<string, string> = {
    "ws://h1:7401": "must begin with pdpm://",
    "h1:7401": "must begin with pdpm://",
    "pdpm://": "a host is missing",
    "pdpm://?design=direct": "a host is missing",
    "pdpm://h1:7401,": "a host is missing",
    "pdpm://,h1:7401": "a host is missing",
    "pdpm://h1": '"h1" has no port; write h1:7401',
    "pdpm://h1:": '"h1:" has no port',
    "pdpm://[::1]": '"[::1]" has no port; write [::1]:7401',
    "pdpm://::1:7401": "an IPv6 address stands in brackets",
    "pdpm://[::1:7401": "no host and port",
    "pdpm://[zz]:7401": "is no host",
    "pdpm://:7401": "no host and port",
    "pdpm://h1:0": '"0" is no port',
    "pdpm://h1:65536": '"65536" is no port',
    "pdpm://h1:+1": '"+1" is no port',
    "pdpm://h1:http": '"http" is no port',
    "pdpm://h%31:7401": "is no host",
    "pdpm://h<1:7401": "is no host",
    "pdpm://h1:7401,h1:7401": "it names h1:7401 twice",
    "pdpm://h1:7401,H1:7401": "it names h1:7401 twice",
    "pdpm://[::1]:1,[0::1]:1": "it names [::1]:1 twice",
    "pdpm://127.1:1,127.0.0.1:1": "it names 127.0.0.1:1 twice",
    "pdpm://h1:7401/path": "it has no path",
    "pdpm://user@h1:7401": "must not have",
    "pdpm://h1:7401#x": "must not have",
    "pdpm://h1:7401, h2:7401": "must not have",
    "pdpm://h1:7401?desing=direct": '"desing" is unknown',
    "pdpm://h1:7401?design=direct&x=1": '"x" is unknown',
    "pdpm://h1:7401?design=direct&design=direct": "it says design twice",
    "pdpm://h1:7401?design=": 'there is no design ""',
    "pdpm://h1:7401?design=redis": 'there is no design "redis"',
  };
  for (const [url, reason] of Object.entries(wrong)) {
    const error = errorOf(url);
    expect([url, error.code]).toEqual([url, "PDPM_INVALID_ARGUMENT"]);
    expect(error.message).toContain(reason);
    expect(error.message).toContain(JSON.stringify(url));
    expect(error.message).toContain("example: pdpm://");
    expect(error.message).not.toContain("\n");
  }
  for (const url of [undefined, null, 7, {}]) {
    expect(errorOf(url).code).toBe("PDPM_INVALID_ARGUMENT");
  }
});

test("without direct the URL names one metadata server", () => {
  expect(parseUrl("pdpm://h1:7400").design).toBe(undefined);
  expect(parseUrl("pdpm://h1:7400").servers.length).toBe(1);
  for (const design of ["central", "clover"] as const) {
    expect(parseUrl(`pdpm://h1:7400?design=${design}`).design).toBe(design);
    expect(errorOf(`pdpm://h1:7400,h2:7400?design=${design}`).text).toContain(design);
  }
  expect(errorOf("pdpm://h1:7400,h2:7400").message).toContain("?design=direct");
});
