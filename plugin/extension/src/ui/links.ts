/** Where an action that is done on the options page leads. */
import type { Action } from "./words";

export const OPTIONS_LINK: Partial<Record<Action, string>> = {
  "options-nodes": "options.html#nodes",
  "options-limits": "options.html#limits",
  "options-hours": "options.html#hours",
  "options-wallet": "options.html#wallet",
  "options-history": "options.html#history",
};
