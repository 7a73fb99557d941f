/**
 * The line from a page to the engine.
 *
 * It keeps a port open, hands on every view, matches replies to commands, and connects again by itself when the other
 * end goes away (the service worker restarts, the engine's page is made anew). While no engine answers, `view` is told
 * as null: the page says "starting" instead of showing what may no longer be true.
 */
import type { Command, Trouble, UiMessage, View } from "../messages";

/** Asks the service worker to see to it that there is an engine; it answers once there is. */
const wakeEngine = (): Promise<unknown> => chrome.runtime.sendMessage({ to: "service-worker", type: "wake" });

/** Without a view for this long after connecting, the other end is taken to be gone. */
const ANSWER_MS = 1_500;
const RETRY_MIN_MS = 150;
const RETRY_MAX_MS = 2_000;
/** A command may unlock a wallet (slow on purpose) but not take longer than this. */
const REPLY_MS = 20_000;

export type Outcome = { ok: true; secret: string | null } | { ok: false; trouble: Trouble | null; message: string };

/** Why a command is not sent while there is no engine. */
export const STARTING: Outcome = { ok: false, trouble: null, message: "The prover is still starting. Try again in a moment." };

interface Waiting {
  done: (outcome: Outcome) => void;
  timer: ReturnType<typeof setTimeout>;
}

export class EnginePort {
  readonly #onView: (view: View | null) => void;
  readonly #connect: () => chrome.runtime.Port;
  readonly #wake: () => Promise<unknown>;
  readonly #waiting = new Map<number, Waiting>();
  #port: chrome.runtime.Port | null = null;
  #lastId = 0;
  #retryMs = RETRY_MIN_MS;
  #answer: ReturnType<typeof setTimeout> | undefined;
  #live = false;

  constructor(
    onView: (view: View | null) => void,
    connect = () => chrome.runtime.connect({ name: "ui" }),
    wake: () => Promise<unknown> = wakeEngine,
  ) {
    this.#onView = onView;
    this.#connect = connect;
    this.#wake = wake;
    this.#open();
  }

  /** Sends a command; resolves always, also when the engine goes away. */
  send(command: Command): Promise<Outcome> {
    const port = this.#port;
    if (port === null || !this.#live) return Promise.resolve(STARTING);
    const id = ++this.#lastId;
    return new Promise((done) => {
      const timer = setTimeout(() => this.#settle(id, lost("The prover did not answer. Try again.")), REPLY_MS);
      this.#waiting.set(id, { done, timer });
      try {
        port.postMessage({ id, command });
      } catch {
        this.#dropped(port);
      }
    });
  }

  #open(): void {
    let port: chrome.runtime.Port;
    try {
      port = this.#connect();
    } catch {
      this.#later();
      return;
    }
    this.#port = port;
    port.onMessage.addListener((message: UiMessage) => this.#take(port, message));
    port.onDisconnect.addListener(() => {
      // Reading it marks the error as seen; that nobody listens is expected while the engine starts.
      void chrome.runtime.lastError;
      this.#dropped(port);
    });
    this.#answer = setTimeout(() => {
      port.disconnect();
      this.#dropped(port);
    }, ANSWER_MS);
  }

  #take(port: chrome.runtime.Port, message: UiMessage): void {
    if (port !== this.#port) return;
    if (message.type === "view") {
      clearTimeout(this.#answer);
      this.#live = true;
      this.#retryMs = RETRY_MIN_MS;
      this.#onView(message.view);
    } else if (message.ok) {
      this.#settle(message.id, { ok: true, secret: message.secret ?? null });
    } else {
      this.#settle(message.id, { ok: false, trouble: message.trouble, message: message.trouble.detail });
    }
  }

  #dropped(port: chrome.runtime.Port): void {
    if (port !== this.#port) return;
    clearTimeout(this.#answer);
    this.#port = null;
    this.#live = false;
    for (const id of [...this.#waiting.keys()]) this.#settle(id, lost("The prover restarted meanwhile. Try again."));
    this.#onView(null);
    this.#later();
  }

  #later(): void {
    const delay = new Promise((done) => setTimeout(done, this.#retryMs));
    // A wake that fails (the service worker itself is starting) is tried again with the next connection.
    const woken = Promise.race([this.#wake().catch(() => undefined), new Promise((done) => setTimeout(done, ANSWER_MS))]);
    void Promise.all([delay, woken]).then(() => this.#open());
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS);
  }

  #settle(id: number, outcome: Outcome): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    clearTimeout(waiting.timer);
    this.#waiting.delete(id);
    waiting.done(outcome);
  }
}

function lost(message: string): Outcome {
  return { ok: false, trouble: null, message };
}
