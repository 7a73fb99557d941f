/**
 * What the user did and earned: a pure reducer from what the core tells to jobs, days and totals.
 *
 * Money is counted from notices of the chain only, each at most once: a resumed session, a restart or the node's
 * summary of what happened while the plugin was away may tell the same notice again, and (what, task, block) names it.
 */

import type { Day, Job, JobResult, PenaltyReason } from "./messages";

/** Jobs kept, newest first. */
export const JOBS_MAX = 200;
/** Days kept, newest first. */
export const DAYS_MAX = 400;
/** Names of counted notices kept; a node repeats far fewer. */
export const COUNTED_MAX = 2_000;

export interface History {
  version: 1;
  jobs: Job[];
  days: Day[];
  total: { earned: string; penalties: string; proofs: number };
  /** Names of the notices that were counted, oldest first. */
  counted: string[];
}

/** The notices that a job or the money hears of. */
export type Happening =
  | { type: "proof-accepted"; task: string; proof_hash: string }
  | { type: "rewarded"; task: string; amount: string; to_debt: string }
  | { type: "penalised"; task: string; reason: PenaltyReason; amount: string }
  | { type: "refunded"; task: string; amount: string };

export type HistoryEvent =
  | {
      type: "offered";
      task: string;
      attempt: number;
      kind: Job["kind"];
      segments: number;
      bounty: string;
      deadline: string;
      draw: Job["draw"];
      at_ms: number;
    }
  /** `ms` is null for a proof that was made before and kept. */
  | { type: "proven"; task: string; attempt: number; proof_hash: string; ms: number | null }
  | { type: "receipt"; task: string; receipt: NonNullable<Job["receipt"]> }
  | { type: "handed-back"; task: string; attempt: number; reason: NonNullable<Job["handed_back"]>; at_ms: number }
  /** A task that is open to everybody was not taken: nobody minds. */
  | { type: "declined"; task: string; attempt: number }
  | { type: "closed"; task: string; attempt: number; reason: Exclude<JobResult, "open">; at_ms: number }
  /** `day`: the user's day, YYYY-MM-DD. */
  | { type: "notice"; height: string; notice: Happening; at_ms: number; day: string };

export function emptyHistory(): History {
  return { version: 1, jobs: [], days: [], total: { earned: "0", penalties: "0", proofs: 0 }, counted: [] };
}

/** Sum of two decimal strings. */
export function plus(a: string, b: string): string {
  return (BigInt(a) + BigInt(b)).toString();
}

/** The history after an event; the same object when the event changes nothing. */
export function reduce(history: History, event: HistoryEvent): History {
  switch (event.type) {
    case "offered":
      return offered(history, event);
    case "proven": {
      const { proof_hash, ms } = event;
      return change(history, byAttempt(event), (job) => ({ ...job, proof_hash, proving_ms: ms ?? job.proving_ms }));
    }
    case "receipt": {
      const { receipt } = event;
      return change(history, byTask(event.task), (job) => ({ ...job, receipt }));
    }
    case "handed-back": {
      const { reason } = event;
      return change(history, byAttempt(event), (job) => ({ ...job, handed_back: reason }));
    }
    case "declined": {
      const isIt = byAttempt(event);
      return { ...history, jobs: history.jobs.filter((job) => !isIt(job)) };
    }
    case "closed": {
      const { reason, at_ms } = event;
      return change(history, byAttempt(event), (job) => ({ ...job, result: reason, ended_ms: job.ended_ms ?? at_ms }));
    }
    case "notice":
      return noticed(history, event);
  }
}

function offered(history: History, event: Extract<HistoryEvent, { type: "offered" }>): History {
  const { type: _, at_ms, ...offer } = event;
  const known = history.jobs.find(byAttempt(event));
  if (known !== undefined) {
    // After a restart the node offers everything open again; only the node's word reopens what seemed ended.
    if (known.result === "open" && known.handed_back === null) return history;
    if (known.result === "accepted" || known.reward !== null) return history;
    return change(history, byAttempt(event), (job) => ({ ...job, result: "open", ended_ms: null, handed_back: null }));
  }
  const job: Job = {
    ...offer,
    offered_ms: at_ms,
    ended_ms: null,
    proving_ms: null,
    result: "open",
    reward: null,
    to_debt: null,
    penalty: null,
    refunded: null,
    handed_back: null,
    proof_hash: null,
    receipt: null,
  };
  return { ...history, jobs: [job, ...history.jobs].slice(0, JOBS_MAX) };
}

function noticed(history: History, event: Extract<HistoryEvent, { type: "notice" }>): History {
  const { notice, height } = event;
  const name = `${notice.type} ${notice.task} ${height}`;
  if (history.counted.includes(name)) return history;
  const counted = [...history.counted, name].slice(-COUNTED_MAX);
  const next = { ...money(history, event), counted };
  const { at_ms } = event;
  switch (notice.type) {
    case "proof-accepted":
      return change(next, byTask(notice.task), (job) => ({
        ...job,
        result: "accepted",
        proof_hash: notice.proof_hash,
        ended_ms: job.ended_ms ?? at_ms,
      }));
    case "rewarded":
      return change(next, byTask(notice.task), (job) => ({
        ...job,
        reward: plus(job.reward ?? "0", notice.amount),
        to_debt: plus(job.to_debt ?? "0", notice.to_debt),
      }));
    case "penalised": {
      const result = notice.reason;
      const job = oldestUnpunished(history, notice.task);
      return change(next, (other) => other === job, (found) => ({
        ...found,
        penalty: { amount: notice.amount, reason: notice.reason },
        result,
        ended_ms: found.ended_ms ?? at_ms,
      }));
    }
    case "refunded":
      return change(next, (job) => job.task === notice.task && job.penalty !== null, (job) => ({
        ...job,
        refunded: plus(job.refunded ?? "0", notice.amount),
      }));
  }
}

function money(history: History, event: Extract<HistoryEvent, { type: "notice" }>): History {
  const { notice, day } = event;
  const change = {
    earned: notice.type === "rewarded" ? notice.amount : "0",
    penalties:
      notice.type === "penalised" ? notice.amount : notice.type === "refunded" ? (-BigInt(notice.amount)).toString() : "0",
    proofs: notice.type === "proof-accepted" ? 1 : 0,
  };
  const add = <T extends History["total"]>(sums: T): T => ({
    ...sums,
    earned: plus(sums.earned, change.earned),
    penalties: plus(sums.penalties, change.penalties),
    proofs: sums.proofs + change.proofs,
  });
  const before = history.days.find((d) => d.day === day) ?? { day, earned: "0", penalties: "0", proofs: 0 };
  const others = history.days.filter((d) => d.day !== day);
  const days = [add(before), ...others].sort((a, b) => (a.day < b.day ? 1 : -1)).slice(0, DAYS_MAX);
  return { ...history, days, total: add(history.total) };
}

/** A penalty belongs to the oldest attempt that did not end well: a later attempt's comes later. */
function oldestUnpunished(history: History, task: string): Job | undefined {
  return history.jobs.findLast((job) => job.task === task && job.penalty === null && job.reward === null);
}

function byAttempt(event: { task: string; attempt: number }): (job: Job) => boolean {
  return (job) => job.task === event.task && job.attempt === event.attempt;
}

function byTask(task: string): (job: Job) => boolean {
  return (job) => job.task === task;
}

/** Changes the newest job that matches. */
function change(history: History, matches: (job: Job) => boolean, into: (job: Job) => Job): History {
  const index = history.jobs.findIndex(matches);
  const job = history.jobs[index];
  return job === undefined ? history : { ...history, jobs: history.jobs.with(index, into(job)) };
}

/** What is kept when the user clears the history: the names of what was counted, so that nothing is counted again. */
export function cleared(history: History): History {
  return { ...emptyHistory(), jobs: history.jobs.filter((job) => job.result === "open"), counted: history.counted };
}

/** A stored history of the right shape, or null. */
export function parseHistory(value: unknown): History | null {
  if (typeof value !== "object" || value === null) return null;
  const { version, jobs, days, total, counted } = value as Record<string, unknown>;
  const isWhole =
    version === 1 &&
    Array.isArray(jobs) &&
    jobs.every((job) => hasTypes(job, { task: "string", attempt: "number", bounty: "string", result: "string" })) &&
    Array.isArray(days) &&
    days.every((day) => hasTypes(day, { day: "string", earned: "amount", penalties: "amount", proofs: "number" })) &&
    hasTypes(total, { earned: "amount", penalties: "amount", proofs: "number" }) &&
    Array.isArray(counted) &&
    counted.every((name) => typeof name === "string");
  return isWhole ? (value as History) : null;
}

function hasTypes(value: unknown, types: Record<string, "string" | "number" | "amount">): boolean {
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(types).every(([name, type]) => {
    const field = (value as Record<string, unknown>)[name];
    return type === "amount" ? typeof field === "string" && /^-?\d+$/.test(field) : typeof field === type;
  });
}

/** The user's day of a time, YYYY-MM-DD. */
export function dayOf(date: Date): string {
  const two = (n: number): string => String(n).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}
