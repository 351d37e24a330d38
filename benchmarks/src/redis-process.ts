// A Redis server of this run's own: a free loopback port, nothing kept on disk, ended at the end.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { createInterface } from "node:readline";

/** A peer that a bar needs is not on this machine. */
export class MissingPeer extends Error {}

/** Lends its port to `work`. @throws MissingPeer when there is no redis-server. */
export async function withRedis<T>(work: (port: number) => Promise<T>): Promise<T> {
  const port = await freePort();
  const keepsNothing = ["--save", "", "--appendonly", "no"];
  const where = ["--bind", "127.0.0.1", "--port", String(port)];
  const child = spawn("redis-server", [...where, ...keepsNothing], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("exit", (code) => resolve(`exit code ${code}`));
  });
  const isReady = (async () => {
    for await (const line of createInterface(child.stdout)) {
      if (line.includes("Ready to accept connections")) break;
    }
    child.stdout.resume();
  })();
  const failure = await Promise.race([ended, isReady]);
  if (typeof failure === "string") {
    throw new MissingPeer(`redis-server does not run (${failure}); apt-get install redis-server`);
  }
  try {
    return await work(port);
  } finally {
    child.kill();
    await ended;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
