// One process of the test above: adds one to three records together, again and again.
import { openLmdbStore } from "../dist/lmdb-store.js";

const [path, rounds] = process.argv.slice(2);
const store = await openLmdbStore({ path, durability: "process", storeId: 7n });
const keys = ["count/a", "count/b", "count/c"];
for (let done = 0; done < Number(rounds); ) {
  const expected = new Map();
  const writes = new Map();
  for (const key of keys) {
    const record = await store.get(key);
    const count = record === undefined ? 0 : Number(Buffer.from(record.value).toString());
    expected.set(key, record?.version ?? 0);
    writes.set(key, Buffer.from(String(count + 1)));
  }
  if (await store.commit(expected, writes)) done += 1;
}
await store.close();
