import assert from "node:assert/strict";
import test from "node:test";
import { createHash } from "node:crypto";
import { IDBFactory } from "fake-indexeddb";
import { isKept, loadKey } from "../src/keys";
import { Store } from "../src/store";
import { TroubleError } from "../src/trouble";

// Any digest serves for the logic; the module's is keccak-256.
const digest = (bytes: Uint8Array): string => `0x${createHash("sha256").update(bytes).digest("hex")}`;
const text = (value: unknown): Uint8Array<ArrayBuffer> => new TextEncoder().encode(JSON.stringify(value));

const key = Uint8Array.from({ length: 5_000 }, (_, i) => i & 0xff);
const facts = { hash: "", chain_id: "7", params_digest: `0x${"dd".repeat(32)}`, key: digest(key) };
const genesis = text(facts);
const chain = { genesis_hash: digest(genesis), params_digest: facts.params_digest, chain_id: facts.chain_id };

const door = {
  keccak256: digest,
  read_genesis: (bytes: Uint8Array) => JSON.parse(new TextDecoder().decode(bytes)) as typeof facts,
};

function world(data: [string, Uint8Array<ArrayBuffer>][], factory = new IDBFactory()) {
  const served = new Map(data);
  const store = new Store(factory, "test");
  const asked: string[] = [];
  const states: string[] = [];
  const troubles: unknown[] = [];
  const options = {
    store,
    door,
    fetch: async (name: string) => {
      asked.push(name);
      return served.get(name) ?? Promise.reject(new TroubleError("node-fault", "no such data"));
    },
    onState: (state: string) => states.push(state),
    onStoreTrouble: (error: unknown) => troubles.push(error),
  };
  return { options, store, asked, states, troubles, served };
}

const all: [string, Uint8Array<ArrayBuffer>][] = [
  [chain.genesis_hash, genesis],
  [facts.key, key],
];

function code(expected: string) {
  return (error: unknown) => error instanceof TroubleError && error.code === expected;
}

test("genesis and key are fetched once, then kept", async () => {
  const { options, asked, store, states } = world(all);
  assert.equal(await isKept(chain, store, door), false);
  assert.deepEqual(new Uint8Array(await loadKey(chain, options)), key);
  assert.deepEqual(asked, [chain.genesis_hash, facts.key]);
  assert.ok(states.includes("fetching") && states.includes("checking"));
  assert.equal(await isKept(chain, store, door), true);
  assert.deepEqual(new Uint8Array(await loadKey(chain, options)), key);
  assert.equal(asked.length, 2);
});

test("a kept key that was damaged is fetched again", async () => {
  const { options, asked, store } = world(all);
  await loadKey(chain, options);
  await store.putKey(facts.key, key.slice(1).buffer);
  assert.deepEqual(new Uint8Array(await loadKey(chain, options)), key);
  assert.deepEqual(asked, [chain.genesis_hash, facts.key, facts.key]);
  assert.deepEqual(await store.key(facts.key), key);
});

test("a kept genesis that was damaged is fetched again", async () => {
  const { options, asked, store } = world(all);
  await loadKey(chain, options);
  await store.set(`genesis ${chain.genesis_hash}`, text({ ...facts, key: "0xbad" }));
  await loadKey(chain, options);
  assert.deepEqual(asked.slice(2), [chain.genesis_hash]);
});

test("a genesis that does not have the chain's hash is refused", async () => {
  const { options } = world([[chain.genesis_hash, text({ ...facts, key: "0xbad" })]]);
  await assert.rejects(loadKey(chain, options), code("wrong-chain"));
});

test("a key that is not the genesis' is refused, and not kept", async () => {
  const { options, store } = world([all[0] ?? assert.fail(), [facts.key, key.slice(1)]]);
  await assert.rejects(loadKey(chain, options), code("wrong-keys"));
  assert.equal(await store.key(facts.key), null);
});

test("parameters and a chain id that are not the genesis' are refused", async () => {
  const { options } = world(all);
  await assert.rejects(loadKey({ ...chain, params_digest: `0x${"ee".repeat(32)}` }, options), code("wrong-chain"));
  await assert.rejects(loadKey({ ...chain, chain_id: "8" }, options), code("wrong-chain"));
});

test("a chain without a key is told", async () => {
  const bare = text({ ...facts, key: null });
  const { options } = world([[digest(bare), bare]]);
  await assert.rejects(loadKey({ ...chain, genesis_hash: digest(bare) }, options), code("wrong-keys"));
});

test("a node without the data is the node's fault", async () => {
  const { options } = world([]);
  await assert.rejects(loadKey(chain, options), code("node-fault"));
});

test("a storage that fails costs a fetch, not the key", async () => {
  const { options, troubles } = world(all);
  const fails = async (): Promise<never> => {
    throw new TroubleError("storage-full", "no space");
  };
  const store = { get: fails, set: fails, key: fails, putKey: fails, deleteKey: fails };
  assert.deepEqual(new Uint8Array(await loadKey(chain, { ...options, store })), key);
  assert.ok(troubles.length > 0);
});
