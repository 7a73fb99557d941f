/**
 * The last view, kept in memory by the browser for as long as it runs, so that a page can paint before the engine
 * answers. It holds nothing secret. Without `chrome.storage` (a test page) nothing is kept.
 */
import type { View } from "../messages";

const KEY = "last-view";
const EVERY_MS = 1_000;

export async function recallView(): Promise<View | null> {
  try {
    const kept = await chrome.storage.session.get(KEY);
    return isView(kept[KEY]) ? kept[KEY] : null;
  } catch {
    return null;
  }
}

/** A function that keeps views, not more often than once a second, the newest always. */
export function viewKeeper(): (view: View) => void {
  let newest: View | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let kept_ms = 0;
  const keep = (): void => {
    timer = undefined;
    kept_ms = Date.now();
    // Losing it costs one frame of skeleton at the next opening.
    if (newest !== null) chrome.storage?.session?.set({ [KEY]: newest }).catch(() => undefined);
  };
  return (view) => {
    newest = view;
    if (timer === undefined) timer = setTimeout(keep, Math.max(0, EVERY_MS - (Date.now() - kept_ms)));
  };
}

/** Enough of a check that a view of another version of the extension is not painted. */
function isView(value: unknown): value is View {
  return typeof value === "object" && value !== null && "settings" in value && "jobs" in value && "total" in value && "queued" in value;
}
