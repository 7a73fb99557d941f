/**
 * What the service worker does: keeps the engine's document alive, keeps the unlocked key while the browser runs,
 * and shows badge and notifications. It holds no state of its own: the browser stops it whenever it likes.
 */

import type { Hello, IdleState, ToEngine, ToServiceWorker } from "./messages";
import { addressed, isOwn, type Sender } from "./sender";

/** Seconds without input after which the machine counts as not in use. */
const IDLE_SECONDS = 60;
/** Time for the engine to answer that it runs. */
const PING_MS = 20_000;
const ALARM = "revive";
const DOCUMENT = "offscreen.html";
const COLOURS: Record<Extract<ToServiceWorker, { type: "badge" }>["tone"], string> = {
  ok: "#1f7a4d",
  busy: "#1f5fbf",
  idle: "#6b7280",
  bad: "#b42318",
};

type Listen<A extends unknown[], R = void> = { addListener(listener: (...args: A) => R): void };

interface Area {
  get(key: string): Promise<Record<string, unknown>>;
  set(values: Record<string, unknown>): Promise<void>;
  remove(key: string): Promise<void>;
}

/** As much of `chrome` as is used. */
export interface BrowserLike {
  runtime: {
    readonly id: string;
    getURL(path: string): string;
    getContexts(filter: { contextTypes: "OFFSCREEN_DOCUMENT"[] }): Promise<unknown[]>;
    sendMessage(message: ToEngine): Promise<unknown>;
    onMessage: Listen<[message: unknown, sender: Sender, answer: (value: unknown) => void], boolean | undefined>;
    onStartup: Listen<[]>;
    onInstalled: Listen<[details: unknown]>;
  };
  offscreen: {
    createDocument(options: { url: string; reasons: "WORKERS"[]; justification: string }): Promise<void>;
    closeDocument(): Promise<void>;
  };
  alarms: {
    get(name: string): Promise<unknown>;
    create(name: string, options: { periodInMinutes: number }): Promise<void>;
    onAlarm: Listen<[alarm: { name: string }]>;
  };
  idle: {
    setDetectionInterval(seconds: number): void;
    queryState(seconds: number): Promise<string>;
    onStateChanged: Listen<[state: string]>;
  };
  storage: { session: Area; local: Area };
  action: {
    setBadgeText(options: { text: string }): Promise<void>;
    setBadgeBackgroundColor(options: { color: string }): Promise<void>;
    setTitle(options: { title: string }): Promise<void>;
  };
  notifications: {
    create(id: string, options: { type: "basic"; iconUrl: string; title: string; message: string }): Promise<unknown>;
  };
}

export class Background {
  #creating: Promise<boolean> | null = null;
  #reviving: Promise<void> | null = null;

  constructor(
    private readonly browser: BrowserLike,
    private readonly wait: (ms: number) => Promise<void>,
  ) {}

  /** Registers every listener; has to happen in the service worker's first turn. */
  listen(): void {
    const { runtime, alarms, idle } = this.browser;
    runtime.onStartup.addListener(() => void this.revive());
    runtime.onInstalled.addListener(() => void this.revive());
    // Ports are the engine's alone: an end of them here would hide from a popup that the engine is gone. The popup
    // asks to wake it instead.
    alarms.onAlarm.addListener(({ name }) => {
      if (name === ALARM) void this.revive();
    });
    idle.setDetectionInterval(IDLE_SECONDS);
    idle.onStateChanged.addListener((state) => {
      if (isIdleState(state)) void this.#tell({ to: "engine", type: "idle-state", state });
    });
    runtime.onMessage.addListener((message, sender, answer) => {
      const fields = isOwn(sender, runtime.id, runtime.getURL("")) ? addressed(message, "service-worker") : null;
      if (fields === null) return undefined;
      const reply = this.#handle(fields as unknown as ToServiceWorker);
      if (reply === null) return undefined;
      reply.then(answer, () => answer(null));
      return true;
    });
  }

  /** Sees to it that the alarm is set, the document exists and the engine in it answers. */
  revive(): Promise<void> {
    this.#reviving ??= this.#revive().finally(() => {
      this.#reviving = null;
    });
    return this.#reviving;
  }

  async #revive(): Promise<void> {
    const { alarms, offscreen } = this.browser;
    if ((await alarms.get(ALARM)) === undefined) await alarms.create(ALARM, { periodInMinutes: 0.5 });
    const isNew = await this.ensureDocument();
    if (isNew || (await this.#answers())) return;
    // It exists and says nothing: it hangs. What it had is kept; a new one continues.
    await offscreen.closeDocument().catch(() => undefined);
    await this.ensureDocument();
  }

  /** Makes the engine's document unless there is one; whether it made it. Races make one. */
  ensureDocument(): Promise<boolean> {
    this.#creating ??= this.#create().finally(() => {
      this.#creating = null;
    });
    return this.#creating;
  }

  async #create(): Promise<boolean> {
    const { runtime, offscreen } = this.browser;
    const present = await runtime.getContexts({ contextTypes: ["OFFSCREEN_DOCUMENT"] });
    if (present.length > 0) return false;
    try {
      const justification = "Proves transactions in workers with shared memory while the browser is open.";
      await offscreen.createDocument({ url: DOCUMENT, reasons: ["WORKERS"], justification });
      return true;
    } catch (error) {
      // An earlier life of this worker may have made it meanwhile.
      const now = await runtime.getContexts({ contextTypes: ["OFFSCREEN_DOCUMENT"] });
      if (now.length > 0) return false;
      throw error;
    }
  }

  async #answers(): Promise<boolean> {
    const late = this.wait(PING_MS).then(() => false);
    const answer = this.#tell({ to: "engine", type: "ping" }).then((value) => value === true);
    return Promise.race([answer, late]);
  }

  #tell(message: ToEngine): Promise<unknown> {
    // Without an engine there is nobody to hear; `revive` makes one.
    return this.browser.runtime.sendMessage(message).catch(() => undefined);
  }

  /** What a message is answered with; null when it is not. */
  #handle(message: ToServiceWorker): Promise<unknown> | null {
    const { storage } = this.browser;
    switch (message.type) {
      case "wake":
        return this.ensureDocument().then(() => true);
      case "hello":
        return this.#hello();
      case "badge":
        return this.#badge(message);
      case "notify":
        return this.#notify(message);
      case "keep-secret":
        return keep(storage.session, "secret", message.secret);
      case "keep-wallet":
        return keep(storage.local, "wallet", message.wallet);
      default:
        return null;
    }
  }

  async #hello(): Promise<Hello> {
    const { storage, idle } = this.browser;
    const [session, local, state] = await Promise.all([
      storage.session.get("secret"),
      storage.local.get("wallet"),
      idle.queryState(IDLE_SECONDS),
    ]);
    const { secret } = session;
    return {
      secret: typeof secret === "string" ? secret : null,
      wallet: local["wallet"] ?? null,
      idle: isIdleState(state) ? state : "active",
    };
  }

  async #badge(message: Extract<ToServiceWorker, { type: "badge" }>): Promise<true> {
    const { action } = this.browser;
    await action.setBadgeText({ text: message.text });
    await action.setBadgeBackgroundColor({ color: COLOURS[message.tone] });
    await action.setTitle({ title: message.title });
    return true;
  }

  async #notify(message: Extract<ToServiceWorker, { type: "notify" }>): Promise<true> {
    const { runtime, notifications } = this.browser;
    const iconUrl = runtime.getURL("icons/icon-128.png");
    const { kind, title } = message;
    // One notification of each kind: a newer one takes the older one's place.
    await notifications.create(kind, { type: "basic", iconUrl, title, message: message.message });
    return true;
  }
}

function isIdleState(state: string): state is IdleState {
  return state === "active" || state === "idle" || state === "locked";
}

async function keep(area: Area, name: string, value: unknown): Promise<true> {
  if (value === null) await area.remove(name);
  else await area.set({ [name]: value });
  return true;
}
