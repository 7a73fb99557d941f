/** The icon's badge: one glance at how it is, in the popup's words. */

import type { ToServiceWorker, View } from "./messages";
import { amount } from "./ui/format";
import { stateOf, TROUBLE } from "./ui/words";

type Badge = Extract<ToServiceWorker, { type: "badge" }>;

export function badgeOf(view: View): Badge {
  const badge = (text: string, words: string, tone: Badge["tone"]): Badge => {
    return { to: "service-worker", type: "badge", text, title: `Crowdfold: ${words}`, tone };
  };
  const { headline } = stateOf(view);
  if (view.trouble !== null) return badge("!", TROUBLE[view.trouble.code].title, "bad");
  if (view.idle === "fault" || view.idle === "suspended") return badge("!", headline, "bad");
  const words = `${headline}. Today ${amount(view.today.earned).text} ZKPoW`;
  if (view.running !== null) return badge("▸", words, "busy");
  return view.idle === null || view.idle === "waiting-for-work" ? badge("", words, "ok") : badge("…", words, "idle");
}
