/**
 * Drives the worker that proves: one job at a time, in the order asked for, through crashes and restarts.
 *
 * ```text
 * off ──want──► starting ──► preparing ──► ready ──crash──► off (and again, a few times)
 *                   └───────────┴──── broken: only the user or another version can help
 * ```
 */

import type { FromProver, Running, ToProver, Trouble, WorkFailure } from "./messages";
import type { Timers } from "./link";
import { describe } from "./trouble";

/** Time between two looks whether the worker still says something. Does not run while the machine sleeps. */
const LOOK_MS = 5_000;
/** Looks without a word, while it has to speak several times a second, after which a proving worker has hung. */
const SILENT_LOOKS_PROVING = 12;
/** The same for starting and preparing, which may say nothing for long. */
const SILENT_LOOKS_PREPARING = 60;
/** Crashes without a proof in between after which the prover is given up. */
const CRASHES_MAX = 3;
/** Looks that a cancelled proof gets to end by itself: its longest stage cannot be interrupted. */
const CANCEL_LOOKS = 2;

/** As much of a Worker as is used. */
export interface WorkerLike {
  onmessage: ((event: MessageEvent<FromProver>) => void) | null;
  onerror: ((event: ErrorEvent) => void) | null;
  postMessage(message: ToProver, transfer: Transferable[]): void;
  terminate(): void;
}

export interface ProveJob {
  type: "prove";
  task: string;
  attempt: number;
  package: Uint8Array;
  worker: string;
}

export interface SolveJob {
  type: "solve";
  chain_id: string;
  plugin: string;
  height: string;
  block_hash: string;
  expected: string;
}

interface Current {
  job: ProveJob | SolveJob;
  cancel: SharedArrayBuffer;
  isCancelled: boolean;
  /** Looks since it was cancelled. */
  cancelLooks: number;
}

export interface ProverSettings {
  threads: number;
  memory_mb: number;
}

export interface ProverOptions {
  spawn: () => WorkerLike;
  timers: Timers;
  /** The checked commitment key and the parameters' digest; null while they are not there. */
  keys: () => Promise<{ key: ArrayBuffer; params_digest: string } | null>;
  onProgress: (progress: Extract<FromProver, { type: "progress" }>) => void;
  onProven: (proven: Extract<FromProver, { type: "proven" }>) => void;
  onFailed: (task: string, attempt: number, kind: WorkFailure, detail: string) => void;
  onSolved: (height: string, nonce: string) => void;
  /** The prover died or cannot be had. */
  onTrouble: (code: Trouble["code"], detail: string) => void;
  onChange: () => void;
}

export type ProverState = "off" | "starting" | "preparing" | "ready" | "broken";

export class ProverClient {
  #state: ProverState = "off";
  #settings: ProverSettings;
  #worker: WorkerLike | null = null;
  #isStarted = false;
  /** Whether the keys were asked for and have not come. */
  #isAsking = false;
  #memory: WebAssembly.Memory | null = null;
  #queue: (ProveJob | SolveJob)[] = [];
  #current: Current | null = null;
  /** A job that was running when the worker crashed gets one more try. */
  #retried = new Set<string>();
  #isRestartDue = false;
  #crashes = 0;
  #silentLooks = 0;
  #look: unknown = null;
  #readyMs: number | null = null;

  constructor(
    private readonly options: ProverOptions,
    settings: ProverSettings,
  ) {
    this.#settings = settings;
  }

  get state(): ProverState {
    return this.#state;
  }

  /** Bytes that the module holds; null when it is not loaded. */
  get memoryBytes(): number | null {
    return this.#memory?.buffer.byteLength ?? null;
  }

  /** Whether it works or has work. */
  get isBusy(): boolean {
    return this.#current !== null || this.#queue.length > 0;
  }

  /** Milliseconds that preparing took last. */
  get readyMs(): number | null {
    return this.#readyMs;
  }

  /** Other threads or memory: after the job that runs. A broken prover is tried again. */
  configure(settings: ProverSettings): void {
    const before = this.#settings;
    if (before.threads === settings.threads && before.memory_mb === settings.memory_mb) return;
    this.#settings = settings;
    this.#isRestartDue = this.#worker !== null;
    if (this.#state === "broken") this.mend();
    this.#next();
  }

  /** Other keys: after the job that runs it starts anew and asks for them. */
  reload(): void {
    this.#isRestartDue = this.#worker !== null;
    this.#next();
  }

  /** Forgets that it broke. */
  mend(): void {
    this.#crashes = 0;
    if (this.#state === "broken") this.#become("off");
  }

  /** Loads the module and, when they are there, the keys. Without effect when it is under way. */
  want(): void {
    if (this.#state === "broken") return;
    if (this.#worker === null) this.#start();
    else if (this.#isStarted && this.#state === "starting") void this.#prepare(this.#worker);
  }

  /** Gives the memory back, unless there is work. */
  unload(): void {
    if (!this.isBusy && this.#state !== "broken") {
      this.#end();
      this.#become("off");
    }
  }

  /** Ends everything; nobody is told. */
  close(): void {
    this.#queue = [];
    this.#current = null;
    this.#end();
  }

  prove(job: Omit<ProveJob, "type">): void {
    this.#queue.push({ type: "prove", ...job });
    this.want();
    this.#next();
  }

  /** Searches for a registration's nonce; an earlier search is no longer wanted. */
  solve(job: Omit<SolveJob, "type">): void {
    this.cancelSolve();
    this.#queue.push({ type: "solve", ...job });
    this.want();
    this.#next();
  }

  cancelSolve(): void {
    this.#queue = this.#queue.filter((job) => job.type !== "solve");
    if (this.#current?.job.type === "solve") {
      this.#flag(this.#current);
      // The worker says nothing when it gives up: what comes next waits in its mailbox.
      this.#current = null;
    }
  }

  /** Gives a proof up: nothing more is said of it, since the same work may be asked for anew meanwhile. */
  cancel(task: string, attempt: number): void {
    const isIt = (job: ProveJob | SolveJob): boolean =>
      job.type === "prove" && job.task === task && job.attempt === attempt;
    this.#queue = this.#queue.filter((job) => !isIt(job));
    if (this.#current !== null && isIt(this.#current.job)) this.#flag(this.#current);
  }

  #flag(current: Current): void {
    Atomics.store(new Int32Array(current.cancel), 0, 1);
    current.isCancelled = true;
  }

  #become(state: ProverState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.options.onChange();
  }

  #start(): void {
    let worker: WorkerLike;
    try {
      worker = this.options.spawn();
    } catch (error) {
      return this.#crashed("prover-failed", describe(error));
    }
    this.#worker = worker;
    this.#isStarted = false;
    this.#isRestartDue = false;
    const ifCurrent = (run: () => void): void => {
      if (this.#worker === worker) run();
    };
    worker.onmessage = (event) => ifCurrent(() => this.#hear(worker, event.data));
    worker.onerror = (event) => ifCurrent(() => this.#crashed("prover-failed", describe(event.message)));
    this.#become("starting");
    worker.postMessage({ type: "start", ...this.#settings }, []);
    this.#watch();
  }

  async #prepare(worker: WorkerLike): Promise<void> {
    if (this.#isAsking) return;
    this.#isAsking = true;
    let keys: Awaited<ReturnType<ProverOptions["keys"]>> = null;
    try {
      keys = await this.options.keys();
    } catch (error) {
      this.options.onTrouble("wrong-keys", describe(error));
    }
    this.#isAsking = false;
    // Without keys it waits, loaded; `want` asks again, also for a worker that was started meanwhile.
    if (keys === null || this.#worker !== worker) return;
    const { key, params_digest } = keys;
    this.#become("preparing");
    worker.postMessage({ type: "prepare", key, params_digest }, [key]);
  }

  #hear(worker: WorkerLike, message: FromProver): void {
    this.#silentLooks = 0;
    switch (message.type) {
      case "started":
        this.#isStarted = true;
        this.#memory = message.memory;
        void this.#prepare(worker);
        return this.#next();
      case "ready":
        this.#readyMs = message.ms;
        this.#become("ready");
        return this.#next();
      case "progress":
        if (this.#isCurrent(message) && this.#current?.isCancelled === false) this.options.onProgress(message);
        return;
      case "proven":
        if (!this.#isCurrent(message)) return;
        this.#crashes = 0;
        if (!this.#done()) this.options.onProven(message);
        return this.#next();
      case "failed":
        if (!this.#isCurrent(message)) return;
        if (!this.#done()) this.options.onFailed(message.task, message.attempt, message.kind, message.detail);
        return this.#next();
      case "solved":
        if (this.#current?.job.type !== "solve" || this.#current.job.height !== message.height) return;
        this.#current = null;
        this.options.onSolved(message.height, message.nonce);
        return this.#next();
      case "unusable":
        return this.#crashed(message.code, message.detail);
    }
  }

  /** Ends the job that runs; whether it had been cancelled. */
  #done(): boolean {
    const isCancelled = this.#current?.isCancelled ?? true;
    this.#current = null;
    return isCancelled;
  }

  #isCurrent(message: { task: string; attempt: number }): boolean {
    const job = this.#current?.job;
    return job?.type === "prove" && job.task === message.task && job.attempt === message.attempt;
  }

  #next(): void {
    if (this.#current !== null || this.#worker === null) return;
    if (this.#isRestartDue) {
      this.#end();
      return this.#start();
    }
    const index = this.#queue.findIndex((job) => (job.type === "solve" ? this.#isStarted : this.#state === "ready"));
    const [job] = index < 0 ? [] : this.#queue.splice(index, 1);
    if (job === undefined) return;
    const cancel = new SharedArrayBuffer(4);
    this.#current = { job, cancel, isCancelled: false, cancelLooks: 0 };
    this.#silentLooks = 0;
    this.#worker.postMessage({ ...job, cancel }, []);
    this.options.onChange();
  }

  #crashed(code: Trouble["code"], detail: string): void {
    const current = this.#current;
    this.#current = null;
    this.#end();
    this.#crashes += 1;
    const isForGood = code === "no-threads" || code === "wrong-keys" || code === "too-old" || code === "out-of-memory";
    const isBroken = isForGood || this.#crashes >= CRASHES_MAX;
    this.#state = isBroken ? "broken" : "off";
    if (current?.job.type === "prove") this.#again(current.job, current.isCancelled, isBroken, detail);
    if (current?.job.type === "solve" && !isBroken) this.#queue.unshift(current.job);
    if (isBroken) this.#failQueue(detail);
    this.options.onTrouble(code, detail);
    this.options.onChange();
    if (this.#queue.length > 0) this.want();
  }

  /** Ends the worker with the proof that nobody wants, so that it takes no more of the machine. */
  #abandon(): void {
    this.#current = null;
    this.#end();
    this.#state = "off";
    this.options.onChange();
    if (this.#queue.length > 0) this.want();
  }

  #again(job: ProveJob, isCancelled: boolean, isBroken: boolean, detail: string): void {
    const id = `${job.task} ${job.attempt}`;
    if (isCancelled) return;
    if (isBroken || this.#retried.has(id)) return this.options.onFailed(job.task, job.attempt, "failed", detail);
    this.#retried.add(id);
    this.#queue.unshift(job);
  }

  #failQueue(detail: string): void {
    const queue = this.#queue;
    this.#queue = [];
    for (const job of queue) {
      if (job.type === "prove") this.options.onFailed(job.task, job.attempt, "failed", detail);
    }
  }

  #end(): void {
    this.options.timers.clear(this.#look);
    this.#worker?.terminate();
    this.#worker = null;
    this.#isStarted = false;
    this.#isRestartDue = false;
    this.#memory = null;
  }

  /** Looks from time to time whether the worker has hung. */
  #watch(): void {
    this.options.timers.clear(this.#look);
    this.#silentLooks = 0;
    const look = (): void => {
      this.#silentLooks += 1;
      if (this.#current?.isCancelled === true) {
        this.#current.cancelLooks += 1;
        if (this.#current.cancelLooks > CANCEL_LOOKS) return this.#abandon();
      }
      const patience = this.#patience();
      if (patience !== null && this.#silentLooks > patience) {
        return this.#crashed("prover-failed", "the prover does not answer");
      }
      this.#look = this.options.timers.set(look, LOOK_MS);
    };
    this.#look = this.options.timers.set(look, LOOK_MS);
  }

  #patience(): number | null {
    if (this.#current?.job.type === "prove") return SILENT_LOOKS_PROVING;
    if (this.#current !== null) return null;
    // Once it is loaded it speaks only when it works.
    return this.#isStarted && this.#state !== "preparing" ? null : SILENT_LOOKS_PREPARING;
  }
}

/** What a stage of the prover is called in the view. */
export function stageOf(stage: string): Running["stage"] {
  switch (stage) {
    case "witness":
    case "commit":
    case "fold":
    case "spartan":
    case "done":
      return stage;
    default:
      return "witness";
  }
}
