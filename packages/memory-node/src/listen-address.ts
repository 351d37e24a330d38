// Which addresses a memory node may listen on: loopback only, for there is no access control yet.
// Whoever can connect can read and change every byte of the region.

import { PdpmError } from "@pdpm/base";

const loopback: ReadonlySet<string> = new Set(["127.0.0.1", "::1", "localhost"]);

/** @throws PDPM_INVALID_ARGUMENT unless `host` is loopback and `port` is a port number or 0. */
export function checkListenAddress(host: string, port: number): void {
  if (!loopback.has(host)) {
    const why = "there is no access control yet, so a memory node listens on loopback only";
    const advice = "use 127.0.0.1, ::1 or localhost";
    throw new PdpmError("PDPM_INVALID_ARGUMENT", `cannot listen on "${host}": ${why}; ${advice}`);
  }
  if (Number.isInteger(port) && port >= 0 && port < 65_536) return;
  throw new PdpmError("PDPM_INVALID_ARGUMENT", `${port} is not a port number`);
}
