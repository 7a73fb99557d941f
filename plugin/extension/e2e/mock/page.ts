/**
 * Stands in for the browser's extension interface on an ordinary page: `chrome.runtime.connect` leads to an engine
 * made of one view, which answers commands well enough for the pages to be tried. Never part of the extension.
 *
 * `?state=NAME` picks the view. The passphrase "wrong" is always wrong.
 */
import type { Command, Request, Trouble, UiMessage, View } from "../../src/messages";
import { STATES } from "./states";

const SECRET = "0x4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318";

type Listener<T> = (value: T) => void;

function event<T>(): { addListener: (listener: Listener<T>) => void; emit: (value: T) => void } {
  const listeners: Listener<T>[] = [];
  return { addListener: (listener) => listeners.push(listener), emit: (value) => listeners.forEach((listener) => listener(value)) };
}

class MockEngine {
  readonly #make: ((now: number) => View) | undefined;
  view: View | null;
  readonly commands: Command[] = [];
  #post: ((message: UiMessage) => void) | null = null;
  #drop: (() => void) | null = null;
  /** Whether ports are answered; a test switches it off to play a dead engine. */
  alive = true;

  constructor(state: string) {
    this.#make = STATES[state];
    this.view = this.#make?.(Date.now()) ?? null;
  }

  connect(): unknown {
    const message = event<UiMessage>();
    const disconnect = event<unknown>();
    const post = (value: UiMessage): void => message.emit(structuredClone(value));
    if (!this.alive) setTimeout(() => disconnect.emit(null));
    else {
      this.#post = post;
      this.#drop = () => disconnect.emit(null);
      setTimeout(() => this.push());
    }
    return {
      name: "ui",
      onMessage: message,
      onDisconnect: disconnect,
      disconnect: () => undefined,
      postMessage: (request: Request) => setTimeout(() => this.#answer(request, post), 30),
    };
  }

  /** Sends the view, changed if something is given. */
  push(change: Partial<View> = {}): void {
    if (this.view === null) return;
    this.view = { ...this.view, ...change };
    this.#post?.({ type: "view", view: this.view });
  }

  /** Ends the connection, as when the engine's page is closed. */
  die(): void {
    this.alive = false;
    this.#drop?.();
  }

  #answer(request: Request, post: (message: UiMessage) => void): void {
    this.commands.push(request.command);
    const refused = this.#run(request.command);
    if (refused !== null) {
      const trouble: Trouble = { code: refused, detail: "mock", at_ms: Date.now() };
      post({ type: "reply", id: request.id, ok: false, trouble });
      return;
    }
    const secret = request.command.type === "export-wallet" ? { secret: SECRET } : {};
    post({ type: "reply", id: request.id, ok: true, ...secret });
    this.push();
  }

  #run(command: Command): Trouble["code"] | null {
    const view = this.view;
    if (view === null) return null;
    if ("passphrase" in command && command.passphrase === "wrong") return "wrong-passphrase";
    const address = "0x8Ba1f109551bD432803012645Ac136ddd64DBA72";
    switch (command.type) {
      case "create-wallet":
      case "import-wallet":
        this.push({ wallet: { state: "unlocked", address }, idle: "no-node" });
        return null;
      case "unlock":
        this.push({ wallet: { state: "unlocked", address }, idle: "waiting-for-work" });
        return null;
      case "lock":
        this.push({ wallet: { state: "locked", address }, idle: "locked", running: null });
        return null;
      case "delete-wallet":
        this.push({ wallet: { state: "none", address: null }, idle: "no-wallet", running: null });
        return null;
      case "pause":
        this.push({ paused: true, idle: view.running === null ? "paused" : null });
        return null;
      case "resume":
        this.push({ paused: false, idle: view.running === null ? "waiting-for-work" : null });
        return null;
      case "set":
        if (command.settings.threads > view.hardware_threads) return "bad-settings";
        this.push({ settings: command.settings, ...(view.idle === "no-node" ? { idle: "waiting-for-work" as const } : {}) });
        return null;
      case "dismiss-trouble":
        this.push({ trouble: null });
        return null;
      case "clear-history":
        this.push({ jobs: [], days: [] });
        return null;
      case "export-wallet":
        return null;
    }
  }
}

const query = new URLSearchParams(location.search);
const engine = new MockEngine(query.get("state") ?? "proving");
/** What the pages kept of an earlier view: `?remembered=NAME`. */
const session: Record<string, unknown> = {};
const remembered = STATES[query.get("remembered") ?? ""];
if (remembered !== undefined) session["last-view"] = remembered(Date.now());
Object.assign(globalThis, {
  mock: Object.assign(engine, { session }),
  chrome: {
    storage: {
      session: {
        get: (key: string) => Promise.resolve({ [key]: session[key] }),
        set: (values: Record<string, unknown>) => Promise.resolve(void Object.assign(session, values)),
      },
    },
    runtime: {
      connect: () => engine.connect(),
      sendMessage: () => Promise.resolve(true),
      getManifest: () => ({ version: "0.1.0" }),
    },
  },
});
