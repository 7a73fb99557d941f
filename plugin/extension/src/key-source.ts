/** Gets the chain's key for the prover, through whatever session there is, and remembers how that went. */

import type { Clock } from "./clock";
import { type Chain, isKept, loadKey } from "./keys";
import type { Pin } from "./saved";
import type { Store } from "./store";
import { TroubleError } from "./trouble";
import type { Door } from "./wasm";

/** Time between two attempts that failed. */
const AGAIN_MS = 30_000;

export interface KeySourceOptions {
  door: Door;
  store: Store;
  clock: Clock;
  /** The chain to prove for; null while it is unknown. */
  chain: () => Chain | null;
  /** Data from the node; null without a session. */
  fetch: () => ((digest: string) => Promise<Uint8Array<ArrayBuffer>>) | null;
  /** What the node says of the chain is what the genesis says. */
  onChecked: (chain: Chain) => void;
  /** The node gave what is not the chain's, or nothing. */
  onRefused: (error: unknown) => void;
  onStoreTrouble: (error: unknown) => void;
  onChange: () => void;
}

export class KeySource {
  state: "none" | "fetching" | "checking" | "ready" = "none";
  /** Whether the key is kept here, so that it does not depend on a node. */
  isKept = false;
  #againAtMs = 0;
  /** The chain whose key was given to the prover. */
  #loaded: Chain | null = null;

  constructor(private readonly options: KeySourceOptions) {}

  /** Looks whether the key of a chain is kept. */
  async look(pin: Pin | null): Promise<void> {
    const { store, door } = this.options;
    this.isKept = pin !== null && (await isKept(pin, store, door).catch(() => false));
  }

  /** Whether another attempt may be made. */
  mayTry(now: number): boolean {
    return now >= this.#againAtMs;
  }

  /** The next attempt may be made at once. */
  mend(): void {
    this.#againAtMs = 0;
  }

  /** Whether a key was given, and for which chain: this one or another. */
  given(chain: Chain): "none" | "this" | "other" {
    const loaded = this.#loaded;
    if (loaded === null) return "none";
    const names = ["genesis_hash", "params_digest", "chain_id"] as const;
    return names.every((name) => loaded[name] === chain[name]) ? "this" : "other";
  }

  /** The key that was given is not wanted any more, nor is it known whether another is kept. */
  forget(): void {
    this.#loaded = null;
    this.isKept = false;
    this.#become("none");
  }

  async load(): Promise<{ key: ArrayBuffer; params_digest: string } | null> {
    const { store, door, clock, onStoreTrouble } = this.options;
    const chain = this.options.chain();
    if (chain === null) return null;
    const fetch = (digest: string): Promise<Uint8Array<ArrayBuffer>> => {
      const fetchNow = this.options.fetch();
      if (fetchNow === null) throw new TroubleError("node-fault", "not connected");
      return fetchNow(digest);
    };
    try {
      const onState = (state: "fetching" | "checking"): void => this.#become(state);
      const key = await loadKey(chain, { store, door, fetch, onState, onStoreTrouble });
      this.isKept = true;
      this.#loaded = chain;
      this.options.onChecked(chain);
      this.#become("ready");
      return { key, params_digest: chain.params_digest };
    } catch (error) {
      this.isKept = false;
      this.#againAtMs = clock.now() + AGAIN_MS;
      this.#become("none");
      this.options.onRefused(error);
      return null;
    }
  }

  #become(state: KeySource["state"]): void {
    this.state = state;
    this.options.onChange();
  }
}
