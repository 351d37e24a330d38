#!/usr/bin/env node
// The command `pdpm`. It checks the platform and the Node version, says no in one line,
// and otherwise hands over to the built program. Plain JavaScript, committed with its run bit:
// npm links no bin whose file is missing before the build.

const NODE_MAJOR_MIN = 20;
const NODE_MINOR_MIN = 19;

/** @returns {string | null} why this machine cannot run pdpm, or null. */
function unsupported() {
  if (process.platform !== "linux") {
    return `pdpm: runs on Linux only (mmap, file locks); this is ${process.platform}`;
  }
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major < NODE_MAJOR_MIN || (major === NODE_MAJOR_MIN && minor < NODE_MINOR_MIN)) {
    const wanted = `${NODE_MAJOR_MIN}.${NODE_MINOR_MIN}`;
    return `pdpm: needs Node ${wanted} or newer; this is ${process.versions.node}`;
  }
  return null;
}

const reason = unsupported();
if (reason === null) {
  await import("../dist/main.js");
} else {
  process.stderr.write(`${reason}\n`);
  process.exitCode = 1;
}
