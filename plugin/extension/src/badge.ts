/** The icon's badge: one glance at how it is. */

import { formatAmount } from "./books";
import type { IdleReason, ToServiceWorker, View } from "./messages";

const IDLE_WORDS: Record<IdleReason, string> = {
  "no-wallet": "set it up",
  locked: "locked",
  paused: "paused",
  "outside-hours": "outside its hours",
  "on-battery": "on battery",
  "machine-in-use": "the machine is in use",
  "data-limit": "today's data is used up",
  "memory-limit": "needs more memory",
  "no-node": "no connection",
  connecting: "connecting",
  "loading-keys": "loading keys",
  registering: "registering",
  suspended: "suspended until its debt is repaid",
  "waiting-for-work": "waiting for work",
  fault: "needs a look",
};

type Badge = Extract<ToServiceWorker, { type: "badge" }>;

export function badgeOf(view: View): Badge {
  const to = "service-worker" as const;
  const type = "badge" as const;
  const today = `today ${formatAmount(view.today.earned)} ZKPoW`;
  if (view.trouble !== null || view.idle === "fault" || view.idle === "suspended") {
    const why = view.trouble?.detail ?? IDLE_WORDS[view.idle ?? "fault"];
    return { to, type, text: "!", title: `Crowdfold: ${why}`, tone: "bad" };
  }
  if (view.running !== null) return { to, type, text: "▸", title: `Crowdfold: proving, ${today}`, tone: "busy" };
  const why = view.idle === null ? "ready" : IDLE_WORDS[view.idle];
  const isReady = view.idle === null || view.idle === "waiting-for-work";
  return { to, type, text: isReady ? "" : "…", title: `Crowdfold: ${why}, ${today}`, tone: isReady ? "ok" : "idle" };
}
