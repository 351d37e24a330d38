// The library needs Linux: mapped files, their locks, and /proc.

import { PdpmError } from "@pdpm/base";

/** @throws PDPM_UNSUPPORTED on another platform. */
export function requireLinux(platform: string = process.platform): void {
  if (platform === "linux") return;
  throw new PdpmError("PDPM_UNSUPPORTED", `pdpm runs on Linux only, not on ${platform}`);
}
