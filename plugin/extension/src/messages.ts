/**
 * What the parts of the extension say to each other: one discriminated union per direction.
 *
 * Units: amounts are decimal strings in the token's smallest unit (10^18 to one ZKPoW), may be negative where said;
 * hashes and addresses are 0x hexadecimal; u64 values are decimal strings; times are milliseconds since the Unix epoch.
 */

/** How the chain sees the plugin. */
export type Standing = "unknown" | "candidate" | "inactive" | "active" | "suspended";

/** Why nothing is being proven, or why nothing may be. The first that applies. */
export type IdleReason =
  | "no-wallet"
  | "locked"
  | "paused"
  | "outside-hours"
  | "on-battery"
  | "machine-in-use"
  | "data-limit"
  | "memory-limit"
  | "no-node"
  | "connecting"
  | "loading-keys"
  | "registering"
  | "suspended"
  | "waiting-for-work"
  | "fault";

/** A clear error for the user; `code` is stable, `detail` technical. */
export interface Trouble {
  code:
    | "wrong-chain"
    | "wrong-keys"
    | "node-fault"
    | "refused"
    | "too-old"
    | "storage-full"
    | "storage-corrupt"
    | "out-of-memory"
    | "no-threads"
    | "prover-failed"
    | "wrong-passphrase"
    | "bad-key"
    | "bad-settings"
    | "wallet-exists"
    | "no-wallet";
  detail: string;
  at_ms: number;
}

/** How far a proof is. */
export interface Running {
  task: string;
  attempt: number;
  kind: "item" | "admission" | "aggregate";
  stage: "witness" | "commit" | "fold" | "spartan" | "done" | "uploading" | "checking" | "submitted";
  permille: number;
  started_ms: number;
  /** Expected milliseconds left; null when unknown. */
  left_ms: number | null;
  /** Expected milliseconds until the deadline. */
  deadline_ms: number | null;
  bounty: string;
}

/** How an offer ended. */
export type JobResult = "accepted" | "timed-out" | "handed-back" | "proven-by-other" | "open";

/** Why a penalty was taken: the deadline and its grace passed, or the task was handed back. */
export type PenaltyReason = "timed-out" | "handed-back";

/** One job of the history, newest first. */
export interface Job {
  task: string;
  attempt: number;
  kind: "item" | "admission" | "aggregate";
  segments: number;
  bounty: string;
  offered_ms: number;
  ended_ms: number | null;
  /** Time that proving took, in milliseconds. */
  proving_ms: number | null;
  result: JobResult;
  /** What was paid, and how much of it went to repay debt. */
  reward: string | null;
  to_debt: string | null;
  /** What was taken for it and why. */
  penalty: { amount: string; reason: PenaltyReason } | null;
  /** Part of the penalty that came back because nobody could prove the task. */
  refunded: string | null;
  /** Why it was handed back, if it was. */
  handed_back: "too-slow" | "too-many" | "pausing" | "failed" | null;
  /** Last block for the proof. */
  deadline: string;
  /** Keccak-256 of the proof. */
  proof_hash: string | null;
  /** The node's signed answer to the submission. */
  receipt: { message: string; height: string; accepted: boolean; signature: string } | null;
  /** The draw that assigned it, for anybody to compute again. */
  draw: { height: string; beacon: string; set_root: string; candidates: number; index: number; rejected: number } | null;
}

/** What is earned on one day (the user's time zone). */
export interface Day {
  /** YYYY-MM-DD. */
  day: string;
  earned: string;
  penalties: string;
  proofs: number;
}

/** Money and trust, as the node says. */
export interface Account {
  /** Accrued less debt; negative when in debt. */
  holding: string;
  /** Part of what is accrued that stays while the plugin is active; the holding may still be below it. */
  bond: string;
  /** Settled balance, spendable in any wallet. */
  balance: string;
  slots: number;
  /** Valid proofs since the last failure. */
  consecutive_valid: number;
  /** Valid proofs in a row with which the next slot comes; null when none does. */
  next_slot_at: number | null;
  standing: Standing;
}

/** What the user can choose. */
export interface Settings {
  /** Tried in turn; ws:// or wss://. */
  nodes: string[];
  /** Genesis hash that nodes must show; null: the first node's word is kept (and then stands here). */
  chain: string | null;
  /** 1 … hardware threads. */
  threads: number;
  /** Megabytes that proving may use. */
  memory_mb: number;
  /** Prove on battery. */
  on_battery: boolean;
  /** Prove while somebody uses the machine. */
  while_in_use: boolean;
  /** Local hours [from, to) of every day; null for always. from > to spans midnight. */
  hours: { from: number; to: number } | null;
  /** Megabytes per day in both directions; null for no limit. */
  data_mb_per_day: number | null;
  notifications: { rewards: boolean; penalties: boolean; trouble: boolean };
}

/** Everything that popup and options show; sent whole, at most a few times per second. */
export interface View {
  wallet: { state: "none" | "locked" | "unlocked"; address: string | null };
  connection: { state: "off" | "waiting" | "connecting" | "online"; node: string | null; retry_at_ms: number | null };
  chain: { id: string; genesis: string; height: string } | null;
  /** Progress of getting keys ready, in thousandths; null when ready or not begun. */
  keys: { state: "none" | "fetching" | "checking" | "preparing" | "ready"; permille: number };
  idle: IdleReason | null;
  paused: boolean;
  running: Running | null;
  /** Offers that wait for their turn. */
  queued: number;
  account: Account | null;
  today: { earned: string; penalties: string; proofs: number; bytes: number };
  total: { earned: string; penalties: string; proofs: number };
  days: Day[];
  jobs: Job[];
  /** Measured milliseconds per segment; null before the first proof. */
  ms_per_segment: number | null;
  /** Bytes of the prover's memory; null when it does not run. */
  memory_bytes: number | null;
  trouble: Trouble | null;
  settings: Settings;
  hardware_threads: number;
}

/** From popup and options to the engine, over a port named "ui". Answered by `Reply` with the same id. */
export type Command =
  | { type: "create-wallet"; passphrase: string }
  | { type: "import-wallet"; secret: string; passphrase: string }
  | { type: "export-wallet"; passphrase: string }
  | { type: "delete-wallet"; passphrase: string }
  | { type: "unlock"; passphrase: string }
  | { type: "lock" }
  | { type: "pause" }
  | { type: "resume" }
  | { type: "set"; settings: Settings }
  | { type: "dismiss-trouble" }
  | { type: "clear-history" };

/** From popup and options. */
export interface Request {
  id: number;
  command: Command;
}

/** From the engine to popup and options. */
export type UiMessage =
  | { type: "view"; view: View }
  | { type: "reply"; id: number; ok: true; secret?: string }
  | { type: "reply"; id: number; ok: false; trouble: Trouble };

/**
 * Between service worker and engine: one-shot messages, each with its addressee in `to`, because a port does not
 * survive that the browser stops the service worker.
 */
export type ToEngine =
  | { to: "engine"; type: "idle-state"; state: IdleState }
  /** Answered with true: shows that the engine runs. */
  | { to: "engine"; type: "ping" };

export type ToServiceWorker =
  /** From popup and options: answered with true when the engine's document exists. */
  | { to: "service-worker"; type: "wake" }
  /** The engine has started; answered by `Hello`. */
  | { to: "service-worker"; type: "hello" }
  | { to: "service-worker"; type: "badge"; text: string; title: string; tone: "ok" | "busy" | "idle" | "bad" }
  | { to: "service-worker"; type: "notify"; kind: keyof Settings["notifications"]; title: string; message: string }
  /** The unlocked secret, kept in memory while the browser runs; null forgets it. */
  | { to: "service-worker"; type: "keep-secret"; secret: string | null }
  /** A second copy of the encrypted key, where the browser evicts nothing; null forgets it. */
  | { to: "service-worker"; type: "keep-wallet"; wallet: WalletRecord | null };

/** As `chrome.idle` says. */
export type IdleState = "active" | "idle" | "locked";

/** What the service worker kept for the engine. */
export interface Hello {
  secret: string | null;
  wallet: unknown;
  idle: IdleState;
}

/** The key at rest. All fields but the numbers are 0x hexadecimal; `address` is bound to the ciphertext. */
export interface WalletRecord {
  version: 1;
  address: string;
  iterations: number;
  salt: string;
  iv: string;
  ciphertext: string;
}

/** Between engine and the worker that proves. */
export type ToProver =
  /** First message, once: loads the module with its thread pool. */
  | { type: "start"; threads: number; memory_mb: number }
  | { type: "prepare"; key: ArrayBuffer; params_digest: string }
  | { type: "prove"; task: string; attempt: number; package: Uint8Array; worker: string; cancel: SharedArrayBuffer }
  | {
      type: "solve";
      chain_id: string;
      plugin: string;
      height: string;
      block_hash: string;
      expected: string;
      cancel: SharedArrayBuffer;
    };

export type FromProver =
  | { type: "started"; memory: WebAssembly.Memory }
  | { type: "ready"; ms: number; memory_bytes: number }
  | { type: "progress"; task: string; attempt: number; stage: Running["stage"]; permille: number; memory_bytes: number }
  | { type: "proven"; task: string; attempt: number; proof: Uint8Array; ms: number; memory_bytes: number }
  | { type: "failed"; task: string; attempt: number; kind: WorkFailure; detail: string }
  | { type: "solved"; height: string; nonce: string }
  /** The worker can do nothing more: it has to be started again, or not at all. */
  | { type: "unusable"; code: Trouble["code"]; detail: string };

/** Why there is no proof. */
export type WorkFailure = "cancelled" | "bad-package" | "failed";
