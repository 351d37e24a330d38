// The paper's numbers, over memory that answers at once: warm, a get takes one round trip, an
// update two, an insert at most three (one of them a call), a delete one.

import { expect, test } from "vitest";
import { type Client, World } from "./contract-scene.ts";

/** Round trips of `work`, calls to the metadata server apart. */
async function tripsOf(
  client: Client,
  kind: string,
  work: () => Promise<unknown>,
): Promise<{ trips: number; calls: number }> {
  const before = client.backend.counters().operations[kind];
  const [trips, calls] = [before?.roundTrips ?? 0, before?.calls ?? 0];
  await work();
  const after = client.backend.counters().operations[kind];
  return { trips: (after?.roundTrips ?? 0) - trips, calls: (after?.calls ?? 0) - calls };
}

test("warm: get 1, update 2, insert 2 and a call, delete 1 round trips", async () => {
  const client = await new World().client();
  const value = new Uint8Array(1024);
  for (let i = 0; i < 10; i += 1) await client.put(`key-${i}`, value);
  const ten = (act: (name: string) => unknown) => async () => {
    for (let i = 0; i < 10; i += 1) await act(`key-${i}`);
  };
  const get = await tripsOf(
    client,
    "get",
    ten((name) => client.get(name)),
  );
  expect(get).toEqual({ trips: 10, calls: 0 });
  const update = await tripsOf(
    client,
    "put",
    ten((name) => client.put(name, value)),
  );
  expect(update).toEqual({ trips: 20, calls: 0 });
  const remove = await tripsOf(
    client,
    "delete",
    ten((name) => client.delete(name)),
  );
  expect(remove).toEqual({ trips: 10, calls: 0 });
  // A key that this client does not know: one call says that it does not exist, one creates it.
  const insert = await tripsOf(client, "put", async () => {
    for (let i = 10; i < 20; i += 1) await client.put(`key-${i}`, value);
  });
  expect(insert).toEqual({ trips: 20, calls: 20 });
});
