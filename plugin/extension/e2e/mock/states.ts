/** A view for every state of the plugin, as the engine would send it. For tests and screenshots only. */
import type { Account, Day, IdleReason, Job, Running, Trouble, View } from "../../src/messages";
import { lastDays, localDay } from "../../src/ui/scale";

const MINUTE = 60_000;

/** Thousandths of a ZKPoW in its smallest unit. */
const milli = (thousandths: number): string => (BigInt(Math.round(thousandths * 1_000)) * 10n ** 12n).toString();

/** A hash that looks like one, the same for the same number. */
function hash(seed: number, length = 64): string {
  let word = (seed * 2_654_435_761 + 12_345) >>> 0;
  let text = "";
  while (text.length < length) {
    word = (Math.imul(word ^ (word >>> 15), 2_246_822_519) + 374_761_393) >>> 0;
    text += word.toString(16).padStart(8, "0");
  }
  return "0x" + text.slice(0, length);
}

const ADDRESS = "0x8Ba1f109551bD432803012645Ac136ddd64DBA72";
const NODE = "ws://127.0.0.1:8545/plugin";

const account: Account = {
  holding: milli(1_284.35),
  bond: milli(3_000),
  balance: milli(12_407.9),
  slots: 3,
  consecutive_valid: 24,
  next_slot_at: 30,
  standing: "active",
};

function job(now: number, task: number, minutes: number, change: Partial<Job>): Job {
  return {
    task: String(task),
    attempt: 1,
    kind: "item",
    segments: 1,
    bounty: milli(4.2),
    offered_ms: now - minutes * MINUTE - 52_000,
    ended_ms: now - minutes * MINUTE,
    proving_ms: 38_400 + (task % 7) * 900,
    result: "accepted",
    reward: milli(4.2),
    to_debt: "0",
    penalty: null,
    refunded: null,
    handed_back: null,
    deadline: String(17_320 + task),
    proof_hash: hash(task),
    receipt: { message: hash(task + 1_000), height: String(17_180 + task), accepted: true, signature: hash(task + 2_000, 130) },
    draw: { height: String(17_120 + task), beacon: hash(task + 3_000), set_root: hash(task + 4_000), candidates: 41, index: (task * 7) % 41, rejected: 0 },
    ...change,
  };
}

function jobs(now: number): Job[] {
  return [
    job(now, 1_207, 3, {}),
    job(now, 1_203, 9, { segments: 3, bounty: milli(12.6), reward: milli(12.6), proving_ms: 104_200 }),
    job(now, 1_198, 41, {
      result: "timed-out",
      reward: null,
      to_debt: null,
      penalty: { amount: milli(1_000), reason: "timed-out" },
      proof_hash: null,
      receipt: null,
      proving_ms: null,
    }),
    job(now, 1_191, 95, { kind: "aggregate", bounty: milli(7.75), reward: milli(7.75) }),
    job(now, 1_176, 180, {
      result: "handed-back",
      handed_back: "too-slow",
      reward: null,
      to_debt: null,
      penalty: { amount: milli(250), reason: "handed-back" },
      proof_hash: null,
      receipt: null,
      proving_ms: null,
    }),
    job(now, 1_170, 260, { result: "proven-by-other", reward: null, to_debt: null, draw: null }),
    job(now, 1_166, 300, {}),
    job(now, 1_150, 26 * 60, { reward: milli(4.2), to_debt: milli(4.2) }),
    job(now, 1_141, 27 * 60, { result: "timed-out", reward: null, to_debt: null, penalty: { amount: milli(1_000), reason: "timed-out" }, refunded: milli(1_000), receipt: null, proof_hash: null }),
    job(now, 1_002, 13 * 24 * 60, { kind: "admission", bounty: "0", reward: null, to_debt: null, draw: null }),
  ];
}

function days(now: number): Day[] {
  const earned = [0, 38, 122, 240, 210, 0, 64, 305, 410, 388, 290, 466, 512, 187];
  const lost = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 250, 0, 0, 180];
  return lastDays(localDay(now), earned.length).map((day, at) => ({
    day,
    earned: milli(earned[at] ?? 0),
    penalties: milli(lost[at] ?? 0),
    proofs: Math.round((earned[at] ?? 0) / 4.2),
  }));
}

function running(change: Partial<Running>, now: number): Running {
  return {
    task: "1211",
    attempt: 1,
    kind: "item",
    stage: "fold",
    permille: 460,
    started_ms: now - 18_000,
    left_ms: 21_000,
    deadline_ms: 264_000,
    bounty: milli(4.2),
    ...change,
  };
}

function working(now: number): View {
  return {
    wallet: { state: "unlocked", address: ADDRESS },
    connection: { state: "online", node: NODE, retry_at_ms: null },
    chain: { id: "31337", genesis: hash(9), height: "18420" },
    keys: { state: "ready", permille: 1000 },
    idle: null,
    paused: false,
    running: running({}, now),
    queued: 1,
    account,
    today: { earned: milli(187), penalties: milli(180), proofs: 44, bytes: 61_300_000 },
    total: { earned: milli(15_640.25), penalties: milli(2_250), proofs: 3_721 },
    days: days(now),
    jobs: jobs(now),
    ms_per_segment: 36_200,
    memory_bytes: 894_000_000,
    trouble: null,
    settings: {
      nodes: [NODE, "wss://node.crowdfold.example/plugin"],
      chain: hash(9),
      threads: 2,
      memory_mb: 1_500,
      on_battery: false,
      while_in_use: true,
      hours: null,
      data_mb_per_day: null,
      notifications: { rewards: true, penalties: true, trouble: true },
    },
    hardware_threads: 8,
  };
}

function fresh(now: number): View {
  return {
    ...working(now),
    running: null,
    queued: 0,
    account: null,
    today: { earned: "0", penalties: "0", proofs: 0, bytes: 0 },
    total: { earned: "0", penalties: "0", proofs: 0 },
    days: [],
    jobs: [],
    ms_per_segment: null,
    memory_bytes: null,
  };
}

const idle = (now: number, reason: IdleReason, change: Partial<View> = {}): View => ({
  ...working(now),
  running: null,
  queued: 0,
  idle: reason,
  ...change,
});

const IDLE: Record<IdleReason, (now: number) => View> = {
  "no-wallet": (now) => ({
    ...fresh(now),
    wallet: { state: "none", address: null },
    connection: { state: "off", node: null, retry_at_ms: null },
    chain: null,
    keys: { state: "none", permille: 0 },
    idle: "no-wallet",
    settings: { ...working(now).settings, nodes: [NODE], chain: null },
  }),
  locked: (now) => idle(now, "locked", { wallet: { state: "locked", address: ADDRESS }, connection: { state: "off", node: null, retry_at_ms: null }, account: null }),
  paused: (now) => idle(now, "paused", { paused: true, account: { ...account, standing: "inactive" } }),
  "outside-hours": (now) => idle(now, "outside-hours", { settings: { ...working(now).settings, hours: { from: 22, to: 7 } } }),
  "on-battery": (now) => idle(now, "on-battery"),
  "machine-in-use": (now) => idle(now, "machine-in-use"),
  "data-limit": (now) => idle(now, "data-limit", { settings: { ...working(now).settings, data_mb_per_day: 60 } }),
  "memory-limit": (now) => idle(now, "memory-limit"),
  "no-node": (now) => idle(now, "no-node", { connection: { state: "waiting", node: NODE, retry_at_ms: now + 12_000 } }),
  connecting: (now) => idle(now, "connecting", { connection: { state: "connecting", node: NODE, retry_at_ms: null } }),
  "loading-keys": (now) => ({ ...fresh(now), idle: "loading-keys", keys: { state: "fetching", permille: 430 } }),
  registering: (now) => ({ ...fresh(now), idle: "registering", account: { ...account, holding: "0", balance: "0", bond: "0", slots: 0, consecutive_valid: 0, next_slot_at: null, standing: "unknown" } }),
  suspended: (now) => idle(now, "suspended", { account: { ...account, holding: milli(-3_412.6), balance: milli(4_200), bond: milli(1_000), slots: 1, consecutive_valid: 0, next_slot_at: null, standing: "suspended" } }),
  "waiting-for-work": (now) => idle(now, "waiting-for-work"),
  fault: (now) => idle(now, "fault", { trouble: trouble("no-threads", now) }),
};

const DETAIL: Record<Trouble["code"], string> = {
  "wrong-chain": `expected genesis ${hash(9)}, node has ${hash(10)}`,
  "wrong-keys": `expected ${hash(11)}, computed ${hash(12)}`,
  "node-fault": "frame 4711: unknown task kind 9",
  refused: "207 sequence already used",
  "too-old": "node speaks 2 to 2, this plugin 1 to 1",
  "storage-full": "QuotaExceededError: proofs",
  "storage-corrupt": "jobs: record 12 does not decode",
  "out-of-memory": "RuntimeError: unreachable at 1.5 GB",
  "no-threads": "crossOriginIsolated is false",
  "prover-failed": "package 3: witness does not satisfy",
  "wrong-passphrase": "decryption failed",
  "bad-key": "not a scalar of secp256k1",
  "bad-settings": "threads: 9 of 8",
  "wallet-exists": "export and delete the present key first",
  "no-wallet": "sign",
};

export const TROUBLES = Object.keys(DETAIL) as Trouble["code"][];

export function trouble(code: Trouble["code"], now: number): Trouble {
  return { code, detail: DETAIL[code], at_ms: now - 2 * MINUTE };
}

const OTHERS: Record<string, (now: number) => View> = {
  proving: working,
  "proving-first": (now) => ({ ...fresh(now), running: running({ stage: "witness", permille: 20, left_ms: null, kind: "admission", bounty: "0" }, now), account: { ...account, holding: "0", balance: "0", bond: "0", slots: 0, consecutive_valid: 0, next_slot_at: null, standing: "candidate" } }),
  "proving-late": (now) => ({ ...working(now), queued: 3, running: running({ stage: "spartan", permille: 640, left_ms: 48_000, deadline_ms: 31_000, attempt: 2 }, now) }),
  "pausing": (now) => ({ ...working(now), paused: true, queued: 0 }),
  submitted: (now) => ({ ...working(now), queued: 0, running: running({ stage: "submitted", permille: 1000, left_ms: 3_000 }, now) }),
  debt: (now) => ({
    ...idle(now, "waiting-for-work"),
    account: { ...account, holding: milli(-812.4), balance: milli(50), bond: milli(1_000), slots: 1, consecutive_valid: 2, next_slot_at: null },
    jobs: jobs(now).slice(2),
  }),
  fresh: (now) => ({ ...fresh(now), idle: "waiting-for-work", account: { ...account, holding: "0", balance: "0", bond: milli(1_000), slots: 1, consecutive_valid: 0, next_slot_at: 10 } }),
  huge: (now) => ({ ...working(now), queued: 12, account: { ...account, holding: milli(-987_654_321_012.345), balance: milli(123_456_789_012_345), slots: 8, consecutive_valid: 1_234_567, next_slot_at: null } }),
};

/** What the plugin does while a trouble stands. */
function during(code: Trouble["code"], now: number): View {
  if (code === "wrong-chain" || code === "node-fault" || code === "too-old") return IDLE["no-node"](now);
  if (code === "wrong-keys" || code === "no-threads" || code === "storage-corrupt") return IDLE.fault(now);
  return working(now);
}

/** The names that the mock page takes as `?state=`; `starting` is an engine that does not answer. */
export const STATES: Record<string, (now: number) => View> = {
  ...IDLE,
  ...OTHERS,
  ...Object.fromEntries(TROUBLES.map((code) => [`trouble-${code}`, (now: number) => ({ ...during(code, now), trouble: trouble(code, now) })])),
};

export const STATE_NAMES = ["starting", ...Object.keys(STATES)];
