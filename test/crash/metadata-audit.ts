// The audit of a quiet Clover or Central store whose clients were killed: everything that the dead
// leased is back, and after a full collection one buffer (one cell) per key is in use. It counts as
// a client can: what is wrong in one place (I5, I9, I12) shows in the reads that follow, and in the
// history.

import { loadScript } from "./hot-load.ts";

/**
 * A process that comes when the others are gone: waits, at most `given.waitMs`, until nobody but
 * itself and the metadata server is left in the books, and nothing is leased; collects everything
 * and counts; then works on every key once more, for the record.
 */
export const metadataAuditScript = `${loadScript}
  const client = await openClient(given);
  const { backend } = client;
  const { ask, collectAll } = await import(modules.clover);
  // A metadata server is a client of its own store, too.
  const residents = given.url === undefined ? 0 : 1;
  const asked = (question) => backend.run("audit", (context) => ask(context, question), {});
  const inClover = async () => {
    const clients = await asked({ ask: "clients" });
    const others = clients.map(({ id }) => id).filter((id) => id !== backend.session.clientId);
    const held = new Map();
    for (const id of others) {
      const parts = await asked({ ask: "leases", client: id });
      if (parts.length > 0) held.set(id, parts.length);
    }
    const isQuiet = held.size === 0 && others.length <= residents;
    return { held, leases: isQuiet ? [] : others, isQuiet };
  };
  // Its clients lease nothing. A coordinator in office hands back before it counts, but may lease
  // anew in that very moment: whatever stays leased was a dead one's.
  const inCentral = async () => {
    const { space } = await backend.stats();
    const held = new Map(space.cellsUncommitted > 0 ? [[0, space.cellsUncommitted]] : []);
    return { held, leases: [], isQuiet: held.size === 0, space };
  };
  const start = performance.now();
  let heldAtFirst;
  let books;
  for (;;) {
    books = await (backend.design === "clover" ? inClover() : inCentral());
    heldAtFirst ??= [...books.held.values()].reduce((sum, count) => sum + count, 0);
    if (books.isQuiet || performance.now() - start > given.waitMs) break;
    await sleep(systemClock, 50);
  }
  const waitedMs = Math.round(performance.now() - start);
  if (backend.design === "clover") await backend.run("audit", collectAll, {});
  const space = books.space ?? (await backend.stats()).space;
  let count = 0;
  for await (const page of backend.keys({})) count += page.length;
  const records = await recorder(given, client);
  for (const key of keys) {
    for (const op of ["get", "put", "get", "delete"]) await records.run(op, key);
    await records.run("cas", key, 0);
    await records.run("get", key);
  }
  records.noteRecoveries();
  await backend.close(10_000);
  const { cellsLive, cellsUncommitted } = space;
  const { operations, failures } = records;
  say({
    problems: [], heldBy: [...books.held.keys()], clientsLeft: books.leases, heldAtFirst, waitedMs,
    keys: count, cellsOfIndex: 0, cellsLive, cellsUncommitted, operations, failures,
  });
  process.exit(0);
`;
