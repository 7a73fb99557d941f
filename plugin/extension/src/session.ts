/**
 * One life of the core: its connection, the proofs that it asks for, the data that is fetched through it.
 *
 * A finished proof is kept before the core hears of it, by everything that it depends on: when the core of a later
 * life asks for the same work, the kept proof answers.
 */

import type { Clock } from "./clock";
import { Link, type SocketLike, type Timers } from "./link";
import type { FromProver, WorkFailure } from "./messages";
import type { ProverClient } from "./prover";
import type { Store } from "./store";
import { TroubleError } from "./trouble";
import type { Action, Core, CoreConfig, CoreEvent, CoreView, Door, Outcome } from "./wasm";

/** Age at which kept proofs are forgotten: no deadline is that far away. */
export const PROOF_AGE_MS_MAX = 3 * 24 * 3_600_000;

export interface SessionOptions {
  door: Door;
  secret: Uint8Array;
  address: string;
  config: CoreConfig;
  nodes: readonly string[];
  clock: Clock;
  timers: Timers;
  dial: (url: string) => SocketLike;
  store: Pick<Store, "proof" | "putProof" | "deleteProof">;
  prover: Pick<ProverClient, "prove" | "cancel" | "solve" | "cancelSolve">;
  onEvent: (event: CoreEvent) => void;
  onBytes: (bytes: number) => void;
  onFault: (detail: string) => void;
  onStoreTrouble: (error: unknown) => void;
  onChange: () => void;
  /** The core has ended; the session may not be used any more. */
  onEnd: (outcome: Outcome) => void;
}

interface Fetching {
  resolve: (bytes: Uint8Array<ArrayBuffer>) => void;
  reject: (error: TroubleError) => void;
}

type Start = Extract<Action, { type: "start-work" }>;

export class Session {
  readonly link: Link;
  readonly #core: Core;
  #fetches = new Map<string, Fetching[]>();
  /** Work that the core waits for, by task and attempt: the name under which its proof is kept. */
  #works = new Map<string, string>();
  #isPaused: boolean;
  #leaving: "no" | "asked" | "hurried" = "no";
  #isOver = false;

  constructor(
    private readonly options: SessionOptions,
    isPaused: boolean,
  ) {
    const { door, secret, config, clock } = options;
    this.#core = new door.Core(JSON.stringify(config), secret, clock.now());
    this.#isPaused = isPaused;
    this.link = new Link({
      core: this.#core,
      clock,
      timers: options.timers,
      dial: options.dial,
      nodes: options.nodes,
      perform: (action) => this.#perform(action),
      onBytes: options.onBytes,
      onFault: options.onFault,
      onChange: options.onChange,
    });
  }

  start(): void {
    if (this.#isPaused) this.link.tell((core, now) => core.pause(now));
    this.link.start();
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  get isLeaving(): boolean {
    return this.#leaving !== "no";
  }

  view(): CoreView | null {
    return this.#isOver ? null : this.#core.view(this.options.clock.now());
  }

  setPaused(isPaused: boolean): void {
    if (isPaused === this.#isPaused || this.isLeaving) return;
    this.#isPaused = isPaused;
    this.link.tell((core, now) => (isPaused ? core.pause(now) : core.resume(now)));
  }

  /** Asks the core to leave: what can be finished is finished. A second call hurries. */
  leave(): void {
    if (this.#leaving === "hurried") return;
    this.#leaving = this.#leaving === "no" ? "asked" : "hurried";
    this.link.tell((core, now) => core.stop(now));
  }

  /** Data by its keccak-256 from the node. */
  fetch(digest: string): Promise<Uint8Array<ArrayBuffer>> {
    return new Promise((resolve, reject) => {
      if (this.#isOver) return reject(new TroubleError("node-fault", "the connection has ended"));
      const waiting = this.#fetches.get(digest) ?? [];
      this.#fetches.set(digest, [...waiting, { resolve, reject }]);
      this.link.tell((core, now) => core.fetch(now, digest));
    });
  }

  progress(message: Extract<FromProver, { type: "progress" }>): void {
    if (!this.#works.has(workName(message))) return;
    this.link.tell((core, now) => core.progress(now, BigInt(message.task), message.permille));
  }

  /** A proof is made: kept first, then handed over. */
  async proven(message: Extract<FromProver, { type: "proven" }>): Promise<void> {
    const id = this.#works.get(workName(message));
    if (id === undefined) return;
    const { proof, ms } = message;
    try {
      await this.options.store.putProof(id, { proof, ms, at_ms: this.options.clock.wall() });
    } catch (error) {
      this.options.onStoreTrouble(error);
    }
    this.#finish(message.task, message.attempt, proof);
  }

  failed(task: string, attempt: number, kind: WorkFailure, detail: string): void {
    if (!this.#works.delete(workName({ task, attempt }))) return;
    this.link.tell((core, now) => core.failed(now, BigInt(task), attempt, kind, detail));
  }

  solved(height: string, nonce: string): void {
    this.link.tell((core, now) => core.registration_solved(now, BigInt(height), BigInt(nonce)));
  }

  /** Ends at once, without a farewell. */
  close(): void {
    if (!this.#isOver) this.#end();
  }

  #finish(task: string, attempt: number, proof: Uint8Array): void {
    if (!this.#works.has(workName({ task, attempt }))) return;
    this.link.tell((core, now) => core.finished(now, BigInt(task), attempt, proof));
  }

  #perform(action: Exclude<Action, { type: "connect" | "send" | "disconnect" }>): void {
    const { prover } = this.options;
    switch (action.type) {
      case "start-work":
        return void this.#startWork(action);
      case "cancel-work":
        this.#works.delete(workName(action));
        return prover.cancel(action.task, action.attempt);
      case "solve-registration": {
        const { type: _, ...search } = action;
        return prover.solve(search);
      }
      case "data":
        return this.#data(action);
      case "event":
        return this.#event(action.event);
      case "finished":
        this.#end();
        return this.options.onEnd(action.outcome);
    }
  }

  async #startWork(action: Start): Promise<void> {
    const { task, attempt } = action;
    const { door, address, store, prover } = this.options;
    const id = `${address} ${task} ${attempt} ${door.keccak256(action.package)}`;
    this.#works.set(workName(action), id);
    const kept = await store.proof(id).catch((error: unknown) => {
      this.options.onStoreTrouble(error);
      return null;
    });
    if (this.#works.get(workName(action)) !== id) return;
    if (kept !== null) return this.#finish(task, attempt, kept.proof);
    prover.prove({ task, attempt, package: action.package, worker: address });
  }

  #data(action: Extract<Action, { type: "data" }>): void {
    const waiting = this.#fetches.get(action.digest) ?? [];
    this.#fetches.delete(action.digest);
    for (const { resolve, reject } of waiting) {
      if (action.bytes !== null) resolve(action.bytes);
      else reject(new TroubleError("node-fault", action.code?.text ?? "the node has no such data"));
    }
  }

  #event(event: CoreEvent): void {
    if (event.type === "logged-in") this.link.loggedIn();
    if (event.type === "closed" || event.type === "handed-back") this.#forget(event);
    this.options.onEvent(event);
  }

  #forget(work: { task: string; attempt: number }): void {
    const id = this.#works.get(workName(work));
    this.#works.delete(workName(work));
    if (id !== undefined) this.options.store.deleteProof(id).catch(this.options.onStoreTrouble);
  }

  #end(): void {
    this.#isOver = true;
    this.link.close();
    this.options.prover.cancelSolve();
    for (const name of this.#works.keys()) {
      const [task = "", attempt = ""] = name.split(" ");
      this.options.prover.cancel(task, Number(attempt));
    }
    this.#works.clear();
    for (const { reject } of [...this.#fetches.values()].flat()) {
      reject(new TroubleError("node-fault", "the connection has ended"));
    }
    this.#fetches.clear();
    // The core is inside a call when it says that it has ended.
    this.options.timers.set(() => this.#core.free(), 0);
  }
}

function workName(work: { task: string; attempt: number }): string {
  return `${work.task} ${work.attempt}`;
}
