/**
 * The engine: wallet, policy, connection, prover and books, put together. It runs in the offscreen document.
 *
 * It decides when there is a session and whether that may work; what a session says to the chain is the core's matter,
 * and what is proven the prover's. Whatever fails becomes a `Trouble` for the user.
 */

import { Books } from "./books";
import type { Clock } from "./clock";
import { coreConfig } from "./core-config";
import { Commands } from "./commands";
import { fromHex, toHex } from "./hex";
import { KeySource } from "./key-source";
import type { Chain } from "./keys";
import type { SocketLike, Timers } from "./link";
import type { Command, Hello, IdleReason, IdleState, Settings, ToServiceWorker, Trouble, View } from "./messages";
import { badgeOf } from "./badge";
import { Newsroom } from "./news";
import { judge, type Verdict, waitingFor } from "./policy";
import { ProverClient, type WorkerLike } from "./prover";
import { Saved } from "./saved";
import { PROOF_AGE_MS_MAX, Session } from "./session";
import type { Store } from "./store";
import { TrafficMeter } from "./traffic";
import { TroubleError } from "./trouble";
import { connectionState, type Known, makeView, Throttle } from "./view";
import type { CoreEvent, Door, Outcome } from "./wasm";
import { parseRecord, type Unlocked } from "./wallet";

/** Time between two looks at the clock, the battery and the limits. */
const LOOK_MS = 5_000;
/** Shortest time between two views, with and without somebody who looks. */
const VIEW_MS = { watched: 250, unwatched: 2_000 };
/** Time without work after which the prover's memory is given back. */
const UNLOAD_MS = 120_000;
/** Time between two attempts at what was refused. */
const AGAIN_MS = 30_000;
/** Time for leaving in peace, before everything is handed back. */
const LEAVE_MS = 180_000;

/** Numbers of refusals, see the protocol's codes. */
const VERSION_UNSUPPORTED = 100;
const SUPERSEDED = 120;

export interface EngineOptions {
  door: Door;
  store: Store;
  crypto: Crypto;
  clock: Clock;
  timers: Timers;
  dial: (url: string) => SocketLike;
  spawn: () => WorkerLike;
  agent: string;
  hardwareThreads: number;
  tellServiceWorker: (message: ToServiceWorker) => void;
  publish: (view: View) => void;
}

export class Engine {
  readonly #options: EngineOptions;
  readonly #commands: Commands;
  readonly #prover: ProverClient;
  readonly #books: Books;
  readonly #keys: KeySource;
  readonly #news: Newsroom;
  readonly #traffic: TrafficMeter;
  readonly #throttle: Throttle;
  readonly saved: Saved;
  isLoaded = false;
  #key: Unlocked | null = null;
  #session: Session | null = null;
  #sessionKey: Unlocked | null = null;
  #sessionAtMs = 0;
  #leaveAtMs = 0;
  #firstNode = 0;
  /** Nodes that said that the key is at work elsewhere, since the user last asked to try. */
  #superseding = new Set<string | null>();
  #verdict: Verdict = { work: false, online: false, reason: "fault" };
  #idle: IdleState = "active";
  #onBattery = false;
  #proverState: Known["prover"] = "off";
  #isOutOfMemory = false;
  #isFaulty = false;
  #progress: Known["progress"] = null;
  #workedAtMs = 0;
  #watchers = 0;
  #badge = "";

  constructor(options: EngineOptions) {
    const { store, clock, timers, hardwareThreads } = options;
    this.#options = options;
    const wall = (): number => clock.wall();
    const allowed = (): Settings["notifications"] => this.saved.settings.notifications;
    const storeTrouble = (error: unknown): void => this.#news.fail(error, "storage-corrupt");
    this.#news = new Newsroom(allowed, wall, options.tellServiceWorker, () => this.#changed());
    this.saved = new Saved(store, hardwareThreads, wall, storeTrouble);
    this.#traffic = new TrafficMeter(this.saved, wall);
    this.#books = new Books(this.saved, wall, (news) => this.#news.tell(news));
    this.#keys = new KeySource({
      door: options.door,
      store,
      clock,
      chain: () => this.#chain(),
      fetch: () => {
        const session = this.#session;
        return session === null ? null : (digest) => session.fetch(digest);
      },
      onChecked: (chain) => this.#pin(chain),
      onRefused: (error) => this.#keysRefused(error),
      onStoreTrouble: storeTrouble,
      onChange: () => this.#changed(),
    });
    this.#prover = new ProverClient(
      {
        spawn: options.spawn,
        timers,
        keys: () => this.#keys.load(),
        onProgress: (message) => {
          const { task, attempt, stage, permille } = message;
          const isSame = this.#progress?.task === task && this.#progress.attempt === attempt;
          const started_ms = isSame ? (this.#progress?.started_ms ?? wall()) : wall();
          this.#progress = { task, attempt, stage, permille, started_ms };
          this.#session?.progress(message);
          this.#changed();
        },
        onProven: (message) => {
          this.#progress = null;
          this.#books.proved(message.task, message.attempt, message.ms);
          this.#news.clear("prover-failed", "out-of-memory");
          void this.#session?.proven(message);
        },
        onFailed: (task, attempt, kind, detail) => {
          this.#progress = null;
          this.#session?.failed(task, attempt, kind, detail);
        },
        onSolved: (height, nonce) => this.#session?.solved(height, nonce),
        onTrouble: (code, detail) => this.#proverTrouble(code, detail),
        onChange: () => this.#proverChanged(),
      },
      this.saved.settings,
    );
    this.#commands = new Commands({
      saved: this.saved,
      addressOf: (secret) => options.door.new_address(secret),
      crypto: options.crypto,
      isLoaded: () => this.isLoaded,
      unlock: (key) => this.#unlock(key),
      lock: () => this.#lock(),
      retry: () => this.#retry(),
      setSettings: (settings) => this.#setSettings(settings),
      dismissTrouble: () => {
        this.#news.trouble = null;
        this.#retry();
      },
      tellServiceWorker: options.tellServiceWorker,
    });
    const interval = (): number => (this.#watchers > 0 ? VIEW_MS.watched : VIEW_MS.unwatched);
    this.#throttle = new Throttle(timers, wall, interval, () => this.#publish());
  }

  /** Reads what was kept and begins. */
  async start(hello: Hello): Promise<void> {
    this.#idle = hello.idle;
    await this.#load(hello);
    this.#look();
  }

  async #load(hello: Hello): Promise<void> {
    const { door, store, clock } = this.#options;
    try {
      await this.saved.load();
      const copy = parseRecord(hello.wallet);
      // The browser may have evicted the database, but not the service worker's copy.
      if (this.saved.wallet === null && copy !== null) await this.saved.setWallet(copy);
      this.isLoaded = true;
    } catch (error) {
      this.#news.fail(error, "storage-corrupt");
      this.#options.timers.set(() => void this.#load(hello), AGAIN_MS);
      return;
    }
    const { wallet, pin } = this.saved;
    const secret = fromHex(hello.secret, 32);
    if (wallet !== null && secret !== null && door.new_address(secret) === wallet.address) {
      this.#key = { address: wallet.address, secret };
    }
    if (wallet !== null && hello.wallet === null) {
      this.#options.tellServiceWorker({ to: "service-worker", type: "keep-wallet", wallet });
    }
    this.#prover.configure(this.saved.settings);
    await this.#keys.look(pin);
    store.deleteProofsBefore(clock.wall() - PROOF_AGE_MS_MAX).catch((error: unknown) => {
      this.#news.fail(error, "storage-corrupt");
    });
    this.evaluate();
  }

  command(command: Command): Promise<string | undefined> {
    return this.#commands.run(command);
  }

  /** Somebody looks: a view at once, and then as things change. */
  watch(): void {
    this.#watchers += 1;
    this.#throttle.now();
  }

  unwatch(): void {
    this.#watchers -= 1;
  }

  setIdle(state: IdleState): void {
    this.#idle = state;
    this.evaluate();
  }

  setBattery(onBattery: boolean): void {
    this.#onBattery = onBattery;
    this.evaluate();
  }

  /** The browser says that the network went or came. */
  network(isOnline: boolean): void {
    if (isOnline) this.#session?.link.online();
    else this.#session?.link.offline();
  }

  #look(): void {
    this.#options.timers.set(() => this.#look(), LOOK_MS);
    this.evaluate();
  }

  /** Brings session and prover to what the user's wishes and the circumstances allow. */
  evaluate(): void {
    if (!this.isLoaded) return;
    const { clock } = this.#options;
    const now = clock.now();
    this.#traffic.save(now);
    this.#verdict = this.#judge();
    this.#fit();
    const mayWork = this.#verdict.work && (this.#prover.state === "ready" || this.#keys.isKept);
    const session = this.#session;
    if (session !== null && (session.isLeaving || !this.#verdict.online || this.#sessionKey !== this.#key)) {
      this.#leave(session, now);
    } else if (session === null && this.#verdict.online && now >= this.#sessionAtMs) {
      this.#begin(!mayWork);
    } else {
      session?.setPaused(!mayWork);
    }
    this.#provide(now);
    this.#changed();
  }

  #judge(): Verdict {
    return judge(this.saved.settings, {
      wallet: this.saved.wallet === null ? "none" : this.#key === null ? "locked" : "unlocked",
      paused: this.saved.isPaused,
      hour: new Date(this.#options.clock.wall()).getHours(),
      onBattery: this.#onBattery,
      idle: this.#idle,
      bytesToday: this.#traffic.today,
      outOfMemory: this.#isOutOfMemory,
      fault: this.#isFaulty,
    });
  }

  #begin(isPaused: boolean): void {
    const key = this.#key;
    if (key === null) return;
    const { door, store, clock, timers, dial, agent, crypto } = this.#options;
    const nodes = this.saved.settings.nodes.map((_, i, all) => all[(i + this.#firstNode) % all.length] ?? "");
    try {
      this.#session = new Session(
        {
          door,
          secret: key.secret,
          address: key.address,
          config: coreConfig(this.saved, agent, crypto),
          nodes,
          clock,
          timers,
          dial,
          store,
          prover: this.#prover,
          onEvent: (event) => this.#hear(event, key.address),
          onBytes: (bytes) => this.#traffic.count(bytes),
          onFault: (detail) => this.#news.fail(new TroubleError("node-fault", detail), "node-fault"),
          onStoreTrouble: (error) => this.#news.fail(error, "storage-corrupt"),
          onChange: () => this.#changed(),
          onEnd: (outcome) => this.#ended(outcome),
        },
        isPaused,
      );
    } catch (error) {
      this.#isFaulty = true;
      return this.#news.fail(error, "bad-settings");
    }
    this.#sessionKey = key;
    this.#session.start();
  }

  #leave(session: Session, now: number): void {
    if (!session.isLeaving) {
      this.#leaveAtMs = now + LEAVE_MS;
      session.leave();
    }
    // Without a connection there is nobody to take leave of.
    if (now >= this.#leaveAtMs || !session.link.isConnected) session.leave();
  }

  #ended(outcome: Outcome): void {
    const node = this.#session?.link.node ?? null;
    this.#forgetSession(outcome.type !== "stopped");
    if (outcome.type === "wrong-chain") {
      this.#news.fail(new TroubleError("wrong-chain", "the nodes do not serve the same chain"), "wrong-chain");
    }
    if (outcome.type === "refused") {
      const { number, text } = outcome.code;
      if (number === SUPERSEDED) this.#superseding.add(node);
      // Two browsers with one key would take the session from each other for ever; with one node, nothing changes. But
      // one of several cannot keep the plugin from the others.
      const { nodes } = this.saved.settings;
      this.#isFaulty = nodes.length === 1 || nodes.every((url) => this.#superseding.has(url));
      this.#news.fail(new TroubleError(number === VERSION_UNSUPPORTED ? "too-old" : "refused", text), "refused");
    }
  }

  /** The session is over; unless it ended in peace, the next begins later and with the next node. */
  #forgetSession(isBad: boolean): void {
    const { clock, timers } = this.#options;
    this.#session = null;
    this.#sessionKey = null;
    this.#progress = null;
    if (isBad) {
      this.#firstNode += 1;
      this.#sessionAtMs = clock.now() + AGAIN_MS;
    }
    timers.set(() => this.evaluate(), 0);
  }

  /** Has the prover begin anew when it was prepared for another chain than the node's. */
  #fit(): void {
    const core = this.#session?.view() ?? null;
    const chain = core?.link.type === "online" ? this.#chain() : null;
    if (chain === null || this.#keys.given(chain) !== "other") return;
    this.#keys.forget();
    this.#prover.reload();
  }

  /** Has the prover loaded when there may be work, and gives its memory back when there is none for long. */
  #provide(now: number): void {
    const isWanted = this.#verdict.work && (this.#chain() !== null || this.#prover.isBusy);
    if (isWanted || this.#prover.isBusy) {
      this.#workedAtMs = now;
      if (this.#keys.mayTry(now)) this.#prover.want();
    } else if (now >= this.#workedAtMs + UNLOAD_MS) {
      this.#prover.unload();
    }
  }

  /** The chain to prove for: what the node shows, or what was kept of it. */
  #chain(): Chain | null {
    const shown = this.#session?.view()?.chain;
    return shown == null ? this.saved.pin : { ...shown, chain_id: shown.id };
  }

  #pin({ genesis_hash, params_digest, chain_id }: Chain): void {
    this.saved.setPin({ genesis_hash, params_digest, chain_id });
  }

  #keysRefused(error: unknown): void {
    // Before the first connection there is nobody to ask, and nothing is wrong.
    const session = this.#session;
    if (session === null) return;
    this.#news.fail(error, "wrong-keys");
    if (!(error instanceof TroubleError) || error.code !== "wrong-chain") return session.link.blame();
    // The core holds on to what it was told first about a chain: only another one believes the next node.
    session.close();
    this.#forgetSession(true);
  }

  #hear(event: CoreEvent, address: string): void {
    // A session may still take its leave when another wallet is there: its money is not the other's.
    if (address === this.saved.wallet?.address) this.#books.hear(event);
    switch (event.type) {
      case "logged-in":
        this.#loggedIn();
        break;
      case "proven":
        this.#learn();
        break;
      case "wrong-chain":
        this.#news.fail(
          new TroubleError("wrong-chain", `the node serves chain ${event.chain_id} with genesis ${event.genesis_hash}`),
          "wrong-chain",
        );
        break;
      case "registration-refused":
        this.#news.fail(new TroubleError("node-fault", `it asks for ${event.expected} hashes to register`), "node-fault");
        break;
      case "node-fault":
        this.#news.fail(new TroubleError("node-fault", event.detail), "node-fault");
        this.#session?.link.blame();
        break;
      case "work-failed":
        if (event.kind === "failed") this.#news.fail(new TroubleError("prover-failed", event.detail), "prover-failed");
        break;
      default:
    }
    this.#changed();
  }

  #loggedIn(): void {
    const chain = this.#chain();
    const { settings } = this.saved;
    if (chain !== null && settings.chain === null) this.saved.setSettings({ ...settings, chain: chain.genesis_hash });
    // Whatever else the node says of the chain is kept only once the genesis has confirmed it.
    if (chain !== null && this.#keys.given(chain) === "this") this.#pin(chain);
    this.#news.clear("wrong-chain", "refused", "too-old");
    this.#options.timers.set(() => this.evaluate(), 0);
  }

  #learn(): void {
    const ms_per_segment = this.#session?.view()?.ms_per_segment ?? null;
    if (ms_per_segment === null || ms_per_segment <= 0) return;
    this.saved.setSpeed({ ms_per_segment, threads: this.saved.settings.threads });
  }

  #proverChanged(): void {
    if (this.#prover.state !== this.#proverState) {
      this.#proverState = this.#prover.state;
      this.#options.timers.set(() => this.evaluate(), 0);
    }
    this.#changed();
  }

  #proverTrouble(code: Trouble["code"], detail: string): void {
    if (code === "out-of-memory") this.#isOutOfMemory = true;
    else if (this.#prover.state === "broken") this.#isFaulty = true;
    this.#news.fail(new TroubleError(code, detail), "prover-failed");
    this.#options.timers.set(() => this.evaluate(), 0);
  }

  #unlock(key: Unlocked): void {
    this.#key = key;
    this.#books.reset();
    this.#options.tellServiceWorker({ to: "service-worker", type: "keep-secret", secret: toHex(key.secret) });
    this.evaluate();
  }

  #lock(): void {
    this.#key = null;
    this.#options.tellServiceWorker({ to: "service-worker", type: "keep-secret", secret: null });
    this.evaluate();
  }

  #retry(): void {
    this.#isFaulty = false;
    this.#isOutOfMemory = false;
    this.#sessionAtMs = 0;
    this.#superseding.clear();
    this.#keys.mend();
    this.#prover.mend();
    this.evaluate();
  }

  #setSettings(settings: Settings): void {
    const before = this.saved.settings;
    if (settings.chain !== this.saved.pin?.genesis_hash) this.saved.setPin(null);
    this.saved.setSettings(settings);
    this.#prover.configure(settings);
    const isOther = settings.chain !== before.chain || settings.nodes.join() !== before.nodes.join();
    // A session knows its nodes and its chain from its beginning on.
    if (isOther && this.#session !== null) this.#leave(this.#session, this.#options.clock.now());
    this.#retry();
  }

  #changed(): void {
    this.#throttle.ask();
  }

  #publish(): void {
    const view = this.view();
    this.#options.publish(view);
    const badge = badgeOf(view);
    const text = JSON.stringify(badge);
    if (text === this.#badge) return;
    this.#badge = text;
    this.#options.tellServiceWorker(badge);
  }

  view(): View {
    const core = this.#session?.view() ?? null;
    return makeView({
      saved: this.saved,
      isUnlocked: this.#key !== null,
      core,
      node: this.#session?.link.node ?? null,
      idle: this.#idleReason(core),
      account: this.#books.account,
      prover: this.#prover.state,
      keys: this.#keys.state,
      memory_bytes: this.#prover.memoryBytes,
      progress: this.#progress,
      trouble: this.#news.trouble,
      hardware_threads: this.#options.hardwareThreads,
      wall_ms: this.#options.clock.wall(),
    });
  }

  #idleReason(core: Known["core"]): IdleReason {
    if (!this.isLoaded) return "fault";
    return (
      this.#verdict.reason ??
      waitingFor({
        connection: connectionState(core),
        keysReady: this.#prover.state === "ready",
        standing: core?.standing ?? "unknown",
      })
    );
  }
}

