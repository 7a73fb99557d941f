/**
 * Whether the plugin may work now: one pure function of the settings and of how things are.
 *
 * `work` false asks the core to pause (it says so to the chain first, and finishes or hands back what it has);
 * `online` false lets it leave altogether. `reason` is the first that applies.
 */

import type { IdleReason, IdleState, Settings } from "./messages";

export interface Circumstances {
  wallet: "none" | "locked" | "unlocked";
  /** The user pressed pause. */
  paused: boolean;
  /** Hour of the user's day, 0 … 23. */
  hour: number;
  onBattery: boolean;
  idle: IdleState;
  /** Bytes of today in both directions. */
  bytesToday: number;
  /** A proof did not fit into the memory that the user allows. */
  outOfMemory: boolean;
  /** Something that only the user (or a new version) can put right. */
  fault: boolean;
}

export interface Verdict {
  work: boolean;
  online: boolean;
  reason: IdleReason | null;
}

/** Whether an hour lies in [from, to); from > to spans midnight. */
export function isWithin(hours: { from: number; to: number }, hour: number): boolean {
  const { from, to } = hours;
  return from < to ? hour >= from && hour < to : hour >= from || hour < to;
}

const offline = (reason: IdleReason): Verdict => ({ work: false, online: false, reason });
const resting = (reason: IdleReason): Verdict => ({ work: false, online: true, reason });

export function judge(settings: Settings, now: Circumstances): Verdict {
  if (now.wallet === "none") return offline("no-wallet");
  if (now.wallet === "locked") return offline("locked");
  // Beyond the data limit even an idle connection is too much; nothing else is worth leaving for.
  const isOverData = settings.data_mb_per_day !== null && now.bytesToday >= settings.data_mb_per_day * 1_000_000;
  const rest = (reason: IdleReason): Verdict => (isOverData ? offline(reason) : resting(reason));
  if (now.paused) return rest("paused");
  if (settings.hours !== null && !isWithin(settings.hours, now.hour)) return rest("outside-hours");
  if (now.onBattery && !settings.on_battery) return rest("on-battery");
  if (now.idle === "active" && !settings.while_in_use) return rest("machine-in-use");
  if (isOverData) return offline("data-limit");
  if (now.outOfMemory) return resting("memory-limit");
  if (now.fault) return offline("fault");
  if (settings.nodes.length === 0) return offline("no-node");
  return { work: true, online: true, reason: null };
}

/** What keeps a plugin that may work from proving, as far as the connection and the chain are concerned. */
export interface Readiness {
  connection: "off" | "waiting" | "connecting" | "online";
  keysReady: boolean;
  standing: "unknown" | "candidate" | "inactive" | "active" | "suspended";
}

/** Why nothing is being proven although nothing forbids it. */
export function waitingFor(ready: Readiness): IdleReason {
  if (ready.connection === "off" || ready.connection === "waiting") return "no-node";
  if (ready.connection === "connecting") return "connecting";
  if (!ready.keysReady) return "loading-keys";
  if (ready.standing === "unknown") return "registering";
  if (ready.standing === "suspended") return "suspended";
  return "waiting-for-work";
}
