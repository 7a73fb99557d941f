/**
 * The WebAssembly module's door, as the extension uses it, and how it is loaded.
 *
 * Objects from the module are of our own making: their types are stated here, not checked again.
 */

import type { Job, Standing } from "./messages";

/** A refusal's number and the protocol's words for it. */
export interface Code {
  number: number;
  text: string;
}

export type Notice =
  | { type: "registered" | "admission-passed" | "activated" | "reinstated" | "admission-lapsed" }
  | { type: "deactivated"; reason: "expired" | "requested" | "suspended" }
  | { type: "proof-accepted"; task: string; proof_hash: string }
  | { type: "rewarded"; task: string; amount: string; to_debt: string }
  | { type: "penalised"; task: string; reason: "timeout" | "hand-back"; amount: string; holding_after: string }
  | { type: "refunded"; task: string; amount: string }
  | { type: "trust-changed"; consecutive_valid: number; slots: number }
  | { type: "suspended"; debt: string }
  | { type: "message-refused"; message: string; reason: number }
  | { type: "settled"; amount: string };

export interface CoreAccount {
  height: string;
  standing: Standing;
  balance: string;
  accrued: string;
  debt: string;
  bond: string;
  consecutive_valid: number;
  slots: number;
  next_slot_at: number | null;
  accepted: string;
  failed: string;
}

export type CoreEvent =
  | { type: "logged-in"; plugin: string; standing: Standing; resumed: boolean; params_digest: string }
  | { type: "disconnected"; code: Code | null; retry_in_ms: number }
  | {
      type: "offered";
      task: string;
      attempt: number;
      kind: Job["kind"];
      segments: number;
      bounty: string;
      deadline: string;
      draw: {
        beacon_height: string;
        beacon: string;
        set_root: string;
        candidates: number;
        index: number;
        rejected: number;
      } | null;
    }
  | { type: "handed-back"; task: string; attempt: number; reason: "too-slow" | "too-many" | "stopping" | "pausing" | "failed" }
  | { type: "proven"; task: string; attempt: number; elapsed_ms: number; bytes: number; proof_hash: string }
  | { type: "submitted"; task: string }
  | {
      type: "receipt";
      about: { type: "register" | "heartbeat" | "go-inactive" } | { type: "submit" | "hand-back"; task: string };
      message: string;
      answer: { type: "accepted"; height: string } | { type: "refused"; height: string; code: Code; reason: number };
      signature: string;
      node: string;
    }
  | { type: "closed"; task: string; attempt: number; reason: "accepted" | "timed-out" | "handed-back" | "proven-by-other" }
  | { type: "refused"; task: string | null; code: Code; reason: number }
  | { type: "work-failed"; task: string; kind: string; detail: string }
  | { type: "notice"; height: string; notice: Notice }
  | { type: "recent"; happened: { height: string; notice: Notice }[] }
  | { type: "account"; account: CoreAccount }
  | { type: "declined"; task: string; attempt: number }
  | { type: "wrong-chain"; chain_id: string; genesis_hash: string; params_digest: string }
  | { type: "registration-refused"; expected: string; most: string }
  | { type: "node-fault"; detail: string };

export type Outcome = { type: "stopped"; open: number } | { type: "wrong-chain" } | { type: "refused"; code: Code };

export type Action =
  | { type: "connect" }
  | { type: "send"; bytes: Uint8Array<ArrayBuffer> }
  | { type: "disconnect" }
  | {
      type: "start-work";
      task: string;
      attempt: number;
      kind: Job["kind"];
      segments: number;
      package: Uint8Array<ArrayBuffer>;
    }
  | { type: "cancel-work"; task: string; attempt: number }
  | {
      type: "solve-registration";
      chain_id: string;
      plugin: string;
      height: string;
      block_hash: string;
      expected: string;
    }
  | { type: "data"; digest: string; bytes: Uint8Array<ArrayBuffer> | null; code: Code | null }
  | { type: "event"; event: CoreEvent }
  | { type: "finished"; outcome: Outcome };

export interface CoreJob {
  task: string;
  attempt: number;
  kind: Job["kind"];
  segments: number;
  bounty: string;
  assigned: string;
  deadline: string;
  stage: "fetching" | "queued" | "running" | "proven" | "checking" | "verified" | "submitted" | "handing-back";
  /** Since that stage began. */
  stage_ms: number;
  permille: number;
  left_ms: number | null;
  deadline_ms: number | null;
  proof_hash: string | null;
  retries: number;
}

export interface CoreView {
  link: { type: "waiting"; retry_in_ms: number } | { type: "connecting" | "logging-in" | "online" | "over" };
  standing: Standing;
  chain: {
    id: string;
    genesis_hash: string;
    params_digest: string;
    node: string;
    height: string;
    block_time_ms: number;
  } | null;
  registration: "idle" | "solving" | "sent";
  is_paused: boolean;
  is_stopping: boolean;
  is_full: boolean;
  jobs: CoreJob[];
  fetch: { digest: string; have: number; total: number | null } | null;
  ms_per_segment: number | null;
}

/** What the user chose, for the state machine. */
export interface CoreConfig {
  agent: string;
  lanes: number;
  expected: { genesis_hash: string; params_digest: string | null; chain_id: string | null } | null;
  ms_per_segment: number | null;
  seed: string;
  registers: boolean;
}

/** The protocol's state machine; every `now` is in milliseconds and never goes back. */
export interface Core {
  connected(now: number): void;
  disconnected(now: number): void;
  heard(now: number): void;
  /** The network is back: connects at once if it waits. */
  connect_now(now: number): void;
  tick(now: number): void;
  receive(now: number, bytes: Uint8Array): void;
  fetch(now: number, digest: string): void;
  progress(now: number, task: bigint, permille: number): void;
  finished(now: number, task: bigint, attempt: number, proof: Uint8Array): void;
  failed(now: number, task: bigint, attempt: number, kind: string, detail: string): void;
  registration_solved(now: number, height: bigint, nonce: bigint): void;
  pause(now: number): void;
  resume(now: number): void;
  stop(now: number): void;
  next_wakeup_ms(): number | undefined;
  actions(): Action[];
  view(now: number): CoreView;
  free(): void;
}

export interface Prover {
  prove(
    bytes: Uint8Array,
    task: bigint,
    worker: string,
    onProgress: (stage: string, permille: number) => boolean,
  ): Uint8Array<ArrayBuffer>;
}

/** What the genesis says of itself. */
export interface GenesisFacts {
  hash: string;
  chain_id: string;
  params_digest: string | null;
  key: string | null;
}

export interface Door {
  default(options: { module_or_path: WebAssembly.Module | URL; memory?: WebAssembly.Memory }): Promise<unknown>;
  Core: new (config: string, secret: Uint8Array, now: number) => Core;
  Prover: new (key: Uint8Array, paramsDigest: string) => Prover;
  new_address(secret: Uint8Array): string;
  keccak256(bytes: Uint8Array): string;
  read_genesis(bytes: Uint8Array): GenesisFacts;
  solve_registration(
    chainId: bigint,
    plugin: string,
    blockHash: string,
    expected: bigint,
    start: bigint,
    steps: bigint,
  ): bigint | undefined;
  build_pool(threads: number): void;
  run_pool_thread(): void;
  death_flag(): number;
}

/** The module's script, beside the bundles. */
const SCRIPT = "./wasm/crowdfold_plugin.js";

export function wasmUrl(): URL {
  return new URL("./wasm/crowdfold_plugin_bg.wasm", import.meta.url);
}

/** The door, not yet initialised. */
export async function importDoor(): Promise<Door> {
  const door: unknown = await import(SCRIPT);
  return door as Door;
}

/** Code and words of an error that the module threw. */
export function thrownByDoor(error: unknown): { code: string; detail: string } | null {
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string") return null;
  return { code: error.code, detail: error.message };
}
