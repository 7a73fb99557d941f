/**
 * The commitment key: named by the genesis, fetched once from a node, checked, kept.
 *
 * The genesis is checked against the hash that the chain shows, the key against the digest that the genesis names. A
 * kept copy is checked each time it is used: one that was damaged is fetched again.
 */

import type { Store } from "./store";
import { TroubleError } from "./trouble";
import type { Door } from "./wasm";

/** A chain, as the node shows it. */
export interface Chain {
  genesis_hash: string;
  params_digest: string;
  /** EIP-155, decimal. */
  chain_id: string;
}

export interface KeysOptions {
  store: Pick<Store, "get" | "set" | "key" | "putKey" | "deleteKey">;
  door: Pick<Door, "keccak256" | "read_genesis">;
  /** Data by its keccak-256 from the node; throws `node-fault` when there is none. */
  fetch: (digest: string) => Promise<Uint8Array<ArrayBuffer>>;
  onState: (state: "fetching" | "checking") => void;
  /** Keeping the key failed: proving goes on, and the key is fetched again another time. */
  onStoreTrouble: (error: unknown) => void;
}

const genesisName = (chain: Chain): string => `genesis ${chain.genesis_hash}`;

/** The bytes of the chain's key. Throws `wrong-chain`, `wrong-keys`, `node-fault` or what `fetch` throws. */
export async function loadKey(chain: Chain, options: KeysOptions): Promise<ArrayBuffer> {
  const { store, door } = options;
  const digest = await keyDigest(chain, options);
  options.onState("checking");
  const kept = await readKept(() => store.key(digest), options);
  if (kept !== null) {
    if (door.keccak256(kept) === digest) return kept.buffer;
    await readKept(() => store.deleteKey(digest), options);
  }
  options.onState("fetching");
  const fetched = await options.fetch(digest);
  options.onState("checking");
  if (door.keccak256(fetched) !== digest) {
    throw new TroubleError("wrong-keys", `the node's key is not the one that the genesis names (${digest})`);
  }
  await readKept(() => store.putKey(digest, fetched.slice().buffer), options);
  return fetched.slice().buffer;
}

/** Whether the key is kept, so that it will be there soon. Says nothing about its soundness. */
export async function isKept(chain: Chain, store: Pick<Store, "get" | "key">, door: KeysOptions["door"]): Promise<boolean> {
  const genesis = await store.get(genesisName(chain));
  if (!(genesis instanceof Uint8Array)) return false;
  try {
    const { key } = door.read_genesis(genesis);
    return key !== null && (await store.key(key)) !== null;
  } catch {
    return false;
  }
}

async function keyDigest(chain: Chain, options: KeysOptions): Promise<string> {
  const { store, door } = options;
  const kept = await readKept(() => store.get(genesisName(chain)), options);
  if (kept instanceof Uint8Array && door.keccak256(kept) === chain.genesis_hash) return named(chain, kept, door);
  options.onState("fetching");
  const genesis = await options.fetch(chain.genesis_hash);
  if (door.keccak256(genesis) !== chain.genesis_hash) {
    throw new TroubleError("wrong-chain", `the node's genesis does not have the hash ${chain.genesis_hash}`);
  }
  const digest = named(chain, genesis, door);
  await readKept(() => store.set(genesisName(chain), genesis), options);
  return digest;
}

function named(chain: Chain, genesis: Uint8Array, door: KeysOptions["door"]): string {
  const facts = door.read_genesis(genesis);
  if (facts.params_digest !== null && facts.params_digest !== chain.params_digest) {
    throw new TroubleError("wrong-chain", `the node's parameters ${chain.params_digest} are not the genesis'`);
  }
  if (facts.chain_id !== chain.chain_id) {
    throw new TroubleError("wrong-chain", `the node's chain id ${chain.chain_id} is not the genesis'`);
  }
  if (facts.key === null) throw new TroubleError("wrong-keys", "the genesis names no key: the chain does not prove");
  return facts.key;
}

/** Storage that fails costs a fetch, not the proof. */
async function readKept<T>(read: () => Promise<T>, options: KeysOptions): Promise<T | null> {
  try {
    return await read();
  } catch (error) {
    options.onStoreTrouble(error);
    return null;
  }
}
