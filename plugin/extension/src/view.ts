/** What popup and options see, made from what the engine knows; and how often. */

import { dayOf } from "./history";
import type { Account, IdleReason, Running, Trouble, View } from "./messages";
import type { ProverState } from "./prover";
import { stageOf } from "./prover";
import type { Saved } from "./saved";
import type { Timers } from "./link";
import type { CoreJob, CoreView } from "./wasm";

/** Jobs and days that are shown. */
const JOBS_SHOWN = 50;
const DAYS_SHOWN = 90;

/** Everything that a view is made of. */
export interface Known {
  saved: Saved;
  isUnlocked: boolean;
  core: CoreView | null;
  node: string | null;
  idle: IdleReason | null;
  account: Account | null;
  prover: ProverState;
  keys: "none" | "fetching" | "checking" | "ready";
  memory_bytes: number | null;
  /** The proof that runs, as the worker tells. */
  progress: { task: string; attempt: number; stage: string; permille: number; started_ms: number } | null;
  trouble: Trouble | null;
  hardware_threads: number;
  wall_ms: number;
}

export function makeView(known: Known): View {
  const { saved, core } = known;
  const { history, wallet, settings } = saved;
  const today = dayOf(new Date(known.wall_ms));
  const earned = history.days.find((day) => day.day === today);
  const running = runningOf(known);
  const waiting = core?.jobs.filter((job) => isWaiting(job) && job.task !== running?.task) ?? [];
  return {
    wallet: {
      state: wallet === null ? "none" : known.isUnlocked ? "unlocked" : "locked",
      address: wallet?.address ?? null,
    },
    connection: connectionOf(core, known.node, known.wall_ms),
    chain:
      core?.chain == null ? null : { id: core.chain.id, genesis: core.chain.genesis_hash, height: core.chain.height },
    keys: keysOf(known),
    idle: running === null ? known.idle : null,
    paused: saved.isPaused,
    running,
    queued: waiting.length,
    account: known.account,
    today: {
      earned: earned?.earned ?? "0",
      penalties: earned?.penalties ?? "0",
      proofs: earned?.proofs ?? 0,
      bytes: saved.traffic.day === today ? saved.traffic.bytes : 0,
    },
    total: history.total,
    days: history.days.slice(0, DAYS_SHOWN),
    jobs: history.jobs.slice(0, JOBS_SHOWN),
    ms_per_segment: core?.ms_per_segment ?? saved.speed?.ms_per_segment ?? null,
    memory_bytes: known.memory_bytes,
    trouble: known.trouble,
    settings,
    hardware_threads: known.hardware_threads,
  };
}

export function connectionState(core: CoreView | null): View["connection"]["state"] {
  switch (core?.link.type) {
    case undefined:
    case "over":
      return "off";
    case "waiting":
      return "waiting";
    case "online":
      return "online";
    default:
      return "connecting";
  }
}

function connectionOf(core: CoreView | null, node: string | null, wall_ms: number): View["connection"] {
  const retry_at_ms = core?.link.type === "waiting" ? wall_ms + core.link.retry_in_ms : null;
  return { state: connectionState(core), node: core === null ? null : node, retry_at_ms };
}

function keysOf(known: Known): View["keys"] {
  if (known.prover === "ready") return { state: "ready", permille: 1000 };
  if (known.prover === "preparing" && known.keys === "ready") return { state: "preparing", permille: 900 };
  if (known.keys === "fetching") {
    const fetch = known.core?.fetch;
    const part = fetch?.total == null || fetch.total === 0 ? 0 : fetch.have / fetch.total;
    return { state: "fetching", permille: Math.floor(800 * Math.min(1, part)) };
  }
  if (known.keys === "checking") return { state: "checking", permille: 850 };
  return { state: "none", permille: 0 };
}

function isWaiting(job: CoreJob): boolean {
  return job.stage === "fetching" || job.stage === "queued" || job.stage === "running";
}

function runningOf(known: Known): Running | null {
  const jobs = known.core?.jobs ?? [];
  const { progress } = known;
  const proving = jobs.find((job) => job.task === progress?.task && job.attempt === progress.attempt);
  const job = proving ?? jobs.find((other) => afterProof(other) !== null);
  if (job === undefined) return null;
  const isProving = job === proving && job.stage === "running" && progress !== null;
  const stage = isProving ? stageOf(progress.stage) : (afterProof(job) ?? "done");
  const { task, attempt, kind, deadline_ms, bounty } = job;
  const permille = isProving ? progress.permille : 1000;
  const started_ms = isProving ? progress.started_ms : known.wall_ms - job.stage_ms;
  const left_ms = isProving ? leftOf(job, known, started_ms) : job.left_ms;
  return { task, attempt, kind, bounty, stage, permille, started_ms, left_ms, deadline_ms };
}

/** Half way through its stages a proof has more than half of its time before it: what earlier proofs took says more. */
function leftOf(job: CoreJob, known: Known, started_ms: number): number | null {
  const perSegment = known.core?.ms_per_segment ?? null;
  if (perSegment === null || job.left_ms === null) return job.left_ms;
  return Math.max(job.left_ms, perSegment * job.segments - (known.wall_ms - started_ms));
}

/** The view's stage of a job whose proof is made. */
function afterProof(job: CoreJob): Running["stage"] | null {
  switch (job.stage) {
    case "proven":
      return "uploading";
    case "checking":
    case "verified":
      return "checking";
    case "submitted":
      return "submitted";
    default:
      return null;
  }
}

/** Runs something soon after it is asked for, but never more often than an interval. */
export class Throttle {
  #timer: unknown = null;
  #isDue = false;
  #lastMs = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly timers: Timers,
    private readonly nowMs: () => number,
    private readonly intervalMs: () => number,
    private readonly run: () => void,
  ) {}

  ask(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    const wait = Math.min(Math.max(0, this.#lastMs + this.intervalMs() - this.nowMs()), this.intervalMs());
    this.#timer = this.timers.set(() => this.now(), wait);
  }

  /** At once: somebody has just begun to look. */
  now(): void {
    this.timers.clear(this.#timer);
    this.#isDue = false;
    this.#lastMs = this.nowMs();
    this.run();
  }
}
