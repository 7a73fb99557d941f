import assert from "node:assert/strict";
import test from "node:test";
import { IDBFactory } from "fake-indexeddb";
import { emptyHistory } from "../src/history";
import { Saved } from "../src/saved";
import { Store } from "../src/store";
import { TroubleError } from "../src/trouble";
import { defaultSettings } from "../src/validate";

const open = (factory = new IDBFactory()) => ({ factory, store: new Store(factory, "test") });

function saved(store: ConstructorParameters<typeof Saved>[0]) {
  const troubles: unknown[] = [];
  return { troubles, saved: new Saved(store, 4, () => 77, (error) => troubles.push(error)) };
}

const wallet = {
  version: 1 as const,
  address: `0x${"11".repeat(20)}`,
  iterations: 600_000,
  salt: "0x01",
  iv: `0x${"22".repeat(12)}`,
  ciphertext: "0x03",
};

test("values survive", async () => {
  const { factory, store } = open();
  await store.set("a", { x: 1n });
  store.close();
  assert.deepEqual(await new Store(factory, "test").get("a"), { x: 1n });
  assert.equal(await store.get("b"), undefined);
  await store.delete("a");
  assert.equal(await store.get("a"), undefined);
});

test("proofs survive until they are deleted or old", async () => {
  const { store } = open();
  const proof = Uint8Array.of(1, 2, 3);
  await store.putProof("old", { proof, ms: 5, at_ms: 100 });
  await store.putProof("new", { proof, ms: 5, at_ms: 200 });
  await store.deleteProofsBefore(200);
  assert.equal(await store.proof("old"), null);
  assert.deepEqual((await store.proof("new"))?.proof, proof);
  await store.deleteProof("new");
  assert.equal(await store.proof("new"), null);
});

test("a new key takes the place of the old one", async () => {
  const { store } = open();
  await store.putKey("0xa", Uint8Array.of(1).buffer);
  await store.putKey("0xb", Uint8Array.of(2).buffer);
  assert.equal(await store.key("0xa"), null);
  assert.deepEqual(await store.key("0xb"), Uint8Array.of(2));
});

test("a database of a newer version is left alone", async () => {
  const factory = new IDBFactory();
  await new Promise<void>((resolve) => {
    const request = factory.open("test", 99);
    request.onupgradeneeded = () => request.result.createObjectStore("future");
    request.onsuccess = () => {
      request.result.close();
      resolve();
    };
  });
  const { store } = open(factory);
  await assert.rejects(store.get("a"), (e: unknown) => e instanceof TroubleError && e.code === "storage-corrupt");
});

test("a connection that the browser closed is opened again", async () => {
  const { store } = open();
  await store.set("a", 1);
  store.close();
  assert.equal(await store.get("a"), 1);
});

test("a full storage has its own code", async () => {
  const { store, factory } = open();
  await store.set("a", 1);
  const db = await new Promise<IDBDatabase>((resolve) => {
    const request = factory.open("test");
    request.onsuccess = () => resolve(request.result);
  });
  const prototype = Object.getPrototypeOf(db.transaction("values").objectStore("values")) as IDBObjectStore;
  const put = prototype.put;
  prototype.put = () => {
    throw new DOMException("no space", "QuotaExceededError");
  };
  try {
    await assert.rejects(store.set("a", 2), (e: unknown) => e instanceof TroubleError && e.code === "storage-full");
  } finally {
    prototype.put = put;
  }
  assert.equal(await store.get("a"), 1);
});

test("everything saved is read again", async () => {
  const { store } = open();
  const first = saved(store);
  await first.saved.load();
  assert.deepEqual(first.saved.settings, defaultSettings(4));
  await first.saved.setWallet(wallet);
  const settings = { ...defaultSettings(4), nodes: ["wss://a.example/"] };
  const pin = { genesis_hash: `0x${"aa".repeat(32)}`, params_digest: `0x${"bb".repeat(32)}`, chain_id: "7" };
  first.saved.setSettings(settings);
  first.saved.setPaused(true);
  first.saved.setPin(pin);
  first.saved.setSpeed({ ms_per_segment: 900, threads: 2 });
  first.saved.setTraffic({ day: "2026-03-01", bytes: 5 });
  const history = { ...emptyHistory(), counted: ["x"] };
  first.saved.setHistory(history);
  await first.saved.flush();

  const second = saved(store);
  await second.saved.load();
  assert.deepEqual(second.saved.wallet, wallet);
  assert.deepEqual(second.saved.settings, settings);
  assert.equal(second.saved.isPaused, true);
  assert.deepEqual(second.saved.pin, pin);
  assert.deepEqual(second.saved.speed, { ms_per_segment: 900, threads: 2 });
  assert.deepEqual(second.saved.traffic, { day: "2026-03-01", bytes: 5 });
  assert.deepEqual(second.saved.history, history);
  assert.deepEqual(second.troubles, []);
});

test("values that cannot be read are set aside and told, the others stay", async () => {
  const { store } = open();
  await store.set("wallet", wallet);
  await store.set("settings", { nodes: 5 });
  await store.set(`history ${wallet.address}`, { version: 1, jobs: "gone" });
  const { saved: values, troubles } = saved(store);
  await values.load();
  assert.equal(troubles.length, 2);
  assert.deepEqual(values.wallet, wallet);
  assert.deepEqual(values.settings, defaultSettings(4));
  assert.deepEqual(values.history, emptyHistory());
  assert.deepEqual(await store.get("settings unreadable 77"), { nodes: 5 });
  assert.equal(await store.get("settings"), undefined);
});

test("settings from a machine with more threads are taken with fewer", async () => {
  const { store } = open();
  await store.set("settings", { ...defaultSettings(16), threads: 16 });
  const { saved: values, troubles } = saved(store);
  await values.load();
  assert.equal(values.settings.threads, 4);
  assert.deepEqual(troubles, []);
});

test("each wallet has its own history", async () => {
  const { store } = open();
  const { saved: values } = saved(store);
  await values.load();
  await values.setWallet(wallet);
  values.setHistory({ ...emptyHistory(), counted: ["mine"] });
  await values.flush();
  await values.setWallet(null);
  assert.deepEqual(values.history.counted, []);
  await values.setWallet({ ...wallet, address: `0x${"33".repeat(20)}` });
  assert.deepEqual(values.history.counted, []);
  await values.setWallet(null);
  await values.setWallet(wallet);
  assert.deepEqual(values.history.counted, ["mine"]);
});

test("a write that fails is told, and the next one counts", async () => {
  const { store } = open();
  let isFull = true;
  const sometimes = {
    get: (key: string) => store.get(key),
    delete: (key: string) => store.delete(key),
    setAside: (key: string, at: number) => store.setAside(key, at),
    set: async (key: string, value: unknown) => {
      if (isFull) throw new TroubleError("storage-full", "no space");
      await store.set(key, value);
    },
  };
  const { saved: values, troubles } = saved(sometimes);
  await values.load();
  values.setPaused(true);
  await values.flush();
  assert.equal(troubles.length, 1);
  await assert.rejects(values.setWallet(wallet));
  assert.equal(values.wallet, null);
  isFull = false;
  values.setPaused(true);
  await values.flush();
  assert.equal(await store.get("paused"), true);
});
