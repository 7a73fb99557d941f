/**
 * What the plugin says to its user: one sentence or two for every state, trouble, result and penalty.
 *
 * Every text says what happened, what it means for the money where it touches it, and what can be done.
 */
import type { IdleReason, Job, JobResult, PenaltyReason, Running, Standing, Trouble, View } from "../messages";

/** What a button under a text does. */
export type Action =
  | "resume"
  | "unlock"
  | "create-wallet"
  | "options-nodes"
  | "options-limits"
  | "options-hours"
  | "options-wallet"
  | "options-history"
  | "show-repay";

export interface Said {
  headline: string;
  text: string;
  action: { label: string; does: Action } | null;
}

const said = (headline: string, text: string, label?: string, does?: Action): Said => ({
  headline,
  text,
  action: label !== undefined && does !== undefined ? { label, does } : null,
});

/** Why nothing is being proven. */
export const IDLE: Record<IdleReason, Said> = {
  "no-wallet": said("No wallet yet", "Create a wallet: its address receives your rewards.", "Create a wallet", "create-wallet"),
  locked: said("Locked", "Enter your passphrase. Until then nothing is signed and nothing is proven.", "Unlock", "unlock"),
  paused: said("Paused", "No new work is taken, and being away costs nothing.", "Resume", "resume"),
  "outside-hours": said(
    "Outside your hours",
    "You chose the hours of the day in which this computer proves. It starts again by itself.",
    "Change hours",
    "options-hours",
  ),
  "on-battery": said(
    "Waiting for mains power",
    "You chose not to prove on battery. It starts again when the charger is plugged in.",
    "Change limits",
    "options-limits",
  ),
  "machine-in-use": said(
    "Waiting until you are away",
    "You chose to prove only while nobody uses this computer.",
    "Change limits",
    "options-limits",
  ),
  "data-limit": said(
    "Today’s data is used up",
    "The data volume that you allow per day is reached. It starts again tomorrow.",
    "Change limits",
    "options-limits",
  ),
  "memory-limit": said(
    "Not enough memory allowed",
    "Proving needs more memory than your limit. Allow more, or use fewer threads.",
    "Change limits",
    "options-limits",
  ),
  "no-node": said(
    "No node answers",
    "The nodes in your list cannot be reached. It keeps trying; nothing is lost meanwhile.",
    "Change node",
    "options-nodes",
  ),
  connecting: said("Connecting", "Reaching the node and logging in."),
  "loading-keys": said("Getting ready", "The proving keys are being fetched and checked. This happens once per chain."),
  registering: said(
    "Joining the chain",
    "A short computation and a first trial proof show the chain that this computer can prove. It costs no tokens.",
  ),
  suspended: said(
    "Suspended",
    "Your debt passed the limit, so no work is assigned until some of it is repaid.",
    "How to repay",
    "show-repay",
  ),
  "waiting-for-work": said("Ready", "Waiting for the next transaction. Work is drawn at random among everybody who is ready."),
  fault: said("Stopped by an error", "Nothing is being proven. The message above says why and what helps."),
};

/** What the popup's headline says now. `null` for the view: the engine does not answer yet. */
export function stateOf(view: View | null): Said {
  if (view === null) return said("Starting", "The prover is starting. This takes a few seconds.");
  if (view.running !== null) return provingState(view, view.running);
  return view.idle === null ? IDLE["waiting-for-work"] : IDLE[view.idle];
}

function provingState(view: View, running: Running): Said {
  if (view.paused) return said("Finishing, then paused", "The proof that has begun is finished, so that it costs no penalty.");
  if (running.kind === "admission") return said("Proving the trial", IDLE.registering.text);
  if (running.stage === "submitted") return said("Proof submitted", "The proof is with the node and waits for a block.");
  const more = view.queued === 1 ? " One more task waits for its turn." : ` ${view.queued} more tasks wait for their turn.`;
  return said("Proving", `${KIND[running.kind]} is being proven.${view.queued > 0 ? more : ""}`);
}

/** What a job is about. */
export const KIND: Record<Job["kind"], string> = {
  item: "A transaction",
  admission: "The trial proof",
  aggregate: "A part of a batch",
};

/** The steps of a proof, in order; several stages of the prover may be one step to the user. */
export const STEPS: readonly { stages: readonly Running["stage"][]; label: string }[] = [
  { stages: ["witness"], label: "Witness" },
  { stages: ["commit"], label: "Commit" },
  { stages: ["fold"], label: "Fold" },
  { stages: ["spartan"], label: "Compress" },
  { stages: ["done", "uploading"], label: "Upload" },
  { stages: ["checking"], label: "Check" },
  { stages: ["submitted"], label: "In block" },
];

/** What happens in a stage, for those who want to know. */
export const STAGE: Record<Running["stage"], string> = {
  witness: "executing the transaction again and writing down every step",
  commit: "committing to the witness",
  fold: "folding the segments into one",
  spartan: "making the final, short proof",
  done: "proof complete",
  uploading: "sending the proof to the node",
  checking: "the node checks the proof",
  submitted: "waiting for a block that takes the proof",
};

export const RESULT: Record<JobResult, string> = {
  accepted: "Accepted",
  "timed-out": "Missed the deadline",
  "handed-back": "Handed back",
  "proven-by-other": "Proven by somebody else",
  open: "Under way",
};

export const PENALTY: Record<PenaltyReason, string> = {
  "timed-out":
    "The proof was in no block before the deadline and its grace passed: the plugin was offline or too slow. The fixed penalty is taken from what you have earned; what exceeds that becomes debt. Your valid proofs in a row start again at 0.",
  "handed-back":
    "The task was given back to the chain so that somebody else can prove it. That costs a quarter of the penalty within the first quarter of the time allowed, and all of it later.",
};

export const HANDED_BACK: Record<NonNullable<Job["handed_back"]>, string> = {
  "too-slow": "This computer would not have been done before the deadline, judging by its own measured speed.",
  "too-many": "More tasks were waiting than could be proven in time.",
  pausing: "You paused before it was begun.",
  failed: "The proof could not be made on this computer.",
};

export const STANDING: Record<Standing, string> = {
  unknown: "not registered yet",
  candidate: "registered; the trial proof is still to come",
  inactive: "registered, but away",
  active: "active: takes part in every draw",
  suspended: "suspended because of debt",
};

const NO_LOSS = "No money is touched by this.";

/** For every trouble: what happened, what it means for the money, what to do. */
export const TROUBLE: Record<Trouble["code"], { title: string; text: string; money: string; help: string; action: Said["action"] }> = {
  "wrong-chain": {
    title: "This node serves a different chain",
    text: "Its genesis is not the one that you pinned, so the plugin does not log in to it.",
    money: "Nothing was signed. Your rewards are on the chain that you pinned.",
    help: "Choose a node of your chain. If you really want to move to the new chain, forget the pinned one in the options.",
    action: { label: "Open nodes", does: "options-nodes" },
  },
  "wrong-keys": {
    title: "The node sent wrong proving keys",
    text: "Their digest is not the one in the chain’s genesis. They were thrown away.",
    money: "Nothing was signed and no work was taken, so there is no penalty.",
    help: "The node is damaged or dishonest: use another one.",
    action: { label: "Open nodes", does: "options-nodes" },
  },
  "node-fault": {
    title: "The node broke the rules",
    text: "It sent something that an honest node does not send. The connection was closed.",
    money: "Nothing was signed for it. Work that was already accepted must still be finished in time, through another node if need be.",
    help: "The plugin tries the next node in your list. Add one if there is only this one.",
    action: { label: "Open nodes", does: "options-nodes" },
  },
  refused: {
    title: "The node refused a message",
    text: "A message of this plugin was not taken.",
    money: "A proof that was refused is not paid; if its deadline passes, that costs the penalty.",
    help: "The plugin tries again by itself where that helps. If it happens again, show the details to the node’s operator.",
    action: null,
  },
  "too-old": {
    title: "This version is too old for the chain",
    text: "The node speaks a newer protocol.",
    money: "You earn nothing until the extension is updated. Being away costs nothing.",
    help: "Update the extension, then reload it.",
    action: null,
  },
  "storage-full": {
    title: "The browser’s storage is full",
    text: "Finished proofs and history cannot be saved.",
    money: "A proof that is lost in a restart has to be made again, and may miss its deadline.",
    help: "Free some disk space or clear this extension’s history.",
    action: { label: "Clear history", does: "options-history" },
  },
  "storage-corrupt": {
    title: "Saved data is damaged",
    text: "The damaged part was set aside. History or keys may be fetched again.",
    money: "What you earned is recorded on the chain, not here: nothing of it is lost.",
    help: "If your wallet is missing, import its secret key from your backup.",
    action: { label: "Open wallet", does: "options-wallet" },
  },
  "out-of-memory": {
    title: "Out of memory",
    text: "The prover needed more memory than the browser gave it.",
    money: "The task is handed back in time where possible; that costs a part of the penalty, less than missing it.",
    help: "Use fewer threads, allow more memory, or close other tabs.",
    action: { label: "Change limits", does: "options-limits" },
  },
  "no-threads": {
    title: "This browser gives the prover no threads",
    text: "Proving needs shared memory and workers, which are switched off here.",
    money: "No work is taken, so there is no penalty.",
    help: "Update the browser, or allow this extension to run without restrictions by policy.",
    action: null,
  },
  "prover-failed": {
    title: "A proof could not be made",
    text: "The prover stopped with an error. It has been started again.",
    money: "The task is handed back; that costs a part of the penalty, less than missing its deadline.",
    help: "If it happens again, show the details to the developers.",
    action: null,
  },
  "wrong-passphrase": {
    title: "Wrong passphrase",
    text: "The wallet stays locked.",
    money: NO_LOSS,
    help: "Try again. Capital letters and the keyboard’s language matter.",
    action: null,
  },
  "bad-key": {
    title: "This is not a secret key",
    text: "A secret key has 64 hexadecimal digits, with or without 0x before them.",
    money: "Your present wallet is unchanged.",
    help: "Copy the key again from where you exported it.",
    action: null,
  },
  "wallet-exists": {
    title: "There is a wallet already",
    text: "A new one would take its place.",
    money: "Your present wallet is unchanged.",
    help: "Export its key and delete it first, if you really want another.",
    action: { label: "Open wallet", does: "options-wallet" },
  },
  "no-wallet": {
    title: "There is no wallet",
    text: "This needs a wallet, and there is none in this browser.",
    money: NO_LOSS,
    help: "Create one, or import its key from your backup.",
    action: { label: "Open wallet", does: "options-wallet" },
  },
  "bad-settings": {
    title: "These settings cannot be used",
    text: "One of the values is outside what is allowed. The settings before it still apply.",
    money: NO_LOSS,
    help: "Check the values in the options.",
    action: { label: "Open options", does: "options-limits" },
  },
};

/** One line for a form: what went wrong and what helps. */
export function troubleLine(trouble: Trouble): string {
  const words = TROUBLE[trouble.code];
  // Which value it is stands in the detail only.
  if (trouble.code === "bad-settings" && trouble.detail !== "") return `${words.title}: ${trouble.detail}.`;
  return `${words.title}. ${words.help}`;
}

/** What a debt is, to somebody who has one. */
export const DEBT =
  "Debt comes from penalties larger than what you had earned. Your next rewards repay it first, by themselves; until it is repaid you get one task at a time. The same amount in your wallet cannot be spent meanwhile, and beyond the chain’s limit no work is assigned.";

/** Where a transfer repays a debt: a system account of every Crowdfold chain. */
export const REPAY_ADDRESS = "0xc0f01d0000000000000000000000000000000004";
