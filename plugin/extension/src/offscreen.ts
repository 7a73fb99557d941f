/** The offscreen document: gives the engine the browser's clock, sockets, storage, battery and messages. */

import { Clock } from "./clock";
import { Engine } from "./engine";
import type { SocketLike, Timers } from "./link";
import { memoryFor } from "./memory";
import type { Hello, IdleState, ToServiceWorker, View } from "./messages";
import { Ports } from "./ports";
import type { WorkerLike } from "./prover";
import { addressed, isOwn } from "./sender";
import { Saved } from "./saved";
import { Store } from "./store";
import { isTrap, TroubleError, troubleOf } from "./trouble";
import { makeView } from "./view";
import { type Door, importDoor, wasmUrl } from "./wasm";

/** Memory for the state machine's own instance, in megabytes: it holds a key while that is fetched, and proofs. */
const CORE_MEMORY_MB = 512;
/** Time after which an engine that could not be had is tried again. */
const AGAIN_MS = 60_000;

interface BatteryLike extends EventTarget {
  readonly charging: boolean;
}

const timers: Timers = {
  set: (run, ms) => setTimeout(run, ms),
  clear: (timer) => clearTimeout(timer as ReturnType<typeof setTimeout>),
};

function tellServiceWorker(message: ToServiceWorker): void {
  // Fails only while the extension is being updated or removed.
  chrome.runtime.sendMessage(message).catch(() => undefined);
}

async function loadDoor(): Promise<Door> {
  const bytes = await (await fetch(wasmUrl())).arrayBuffer();
  const memory = memoryFor(new Uint8Array(bytes), CORE_MEMORY_MB);
  const door = await importDoor();
  await door.default({ module_or_path: await WebAssembly.compile(bytes), memory });
  return door;
}

/** What the service worker kept; nothing when it cannot be asked. */
async function sayHello(): Promise<Hello> {
  const nothing: Hello = { secret: null, wallet: null, idle: "active" };
  const hello: unknown = await chrome.runtime.sendMessage({ to: "service-worker", type: "hello" }).catch(() => null);
  return typeof hello === "object" && hello !== null ? { ...nothing, ...hello } : nothing;
}

/** The extension's version; an offscreen document may not ask the browser for the manifest. */
async function version(): Promise<string> {
  const manifest = (await (await fetch(chrome.runtime.getURL("manifest.json"))).json()) as { version: string };
  return manifest.version;
}

async function watchBattery(engine: Engine): Promise<void> {
  const getBattery = (navigator as Navigator & { getBattery?: () => Promise<BatteryLike> }).getBattery;
  if (getBattery === undefined) return;
  const battery = await getBattery.call(navigator);
  const tell = (): void => engine.setBattery(!battery.charging);
  battery.addEventListener("chargingchange", tell);
  tell();
}

const hardwareThreads = Math.max(1, navigator.hardwareConcurrency);
const wallMs = (): number => Date.now();
const root = chrome.runtime.getURL("");
const id = chrome.runtime.id;
const store = new Store(indexedDB, "crowdfold");

let engine: Engine | null = null;
/** Shown instead of the engine's views when it cannot be had. */
let failed: View | null = null;

const ports = new Ports({
  id,
  root,
  hardwareThreads,
  wallMs,
  command: (command) => {
    if (engine === null) throw new TroubleError("prover-failed", "the extension has not started yet");
    return engine.command(command);
  },
  onOpen: () => {
    if (failed !== null) ports.publish(failed);
    engine?.watch();
  },
  onClose: () => engine?.unwatch(),
});

async function main(): Promise<void> {
  const door = await loadDoor();
  const started = new Engine({
    door,
    store,
    crypto,
    clock: new Clock(wallMs, () => performance.now()),
    timers,
    dial: (url) => new WebSocket(url) as unknown as SocketLike,
    spawn: () =>
      new Worker(new URL("./prover-worker.js", import.meta.url), { type: "module", name: "prover" }) as WorkerLike,
    agent: `crowdfold-plugin/${await version()}`,
    hardwareThreads,
    tellServiceWorker,
    publish: (view) => ports.publish(view),
  });
  await started.start(await sayHello());
  engine = started;
  for (let watchers = ports.count; watchers > 0; watchers -= 1) started.watch();
  addEventListener("online", () => started.network(true));
  addEventListener("offline", () => started.network(false));
  await watchBattery(started);
}

async function fail(error: unknown): Promise<void> {
  // What failed may have been want of memory: it may be there later.
  setTimeout(() => location.reload(), AGAIN_MS);
  const hasThreads = crossOriginIsolated && typeof SharedArrayBuffer !== "undefined";
  const saved = new Saved(store, hardwareThreads, wallMs, () => undefined);
  // Nobody shall think that the wallet is gone.
  await saved.load().catch(() => undefined);
  failed = makeView({
    saved,
    isUnlocked: false,
    core: null,
    node: null,
    idle: "fault",
    account: null,
    prover: "broken",
    keys: "none",
    memory_bytes: null,
    progress: null,
    trouble: troubleOf(error, hasThreads ? "prover-failed" : "no-threads", wallMs()),
    hardware_threads: hardwareThreads,
    wall_ms: wallMs(),
  });
  ports.publish(failed);
}

/** The module has trapped, of a bug or for want of memory: nothing may be asked of it any more. */
function died(error: unknown): void {
  if (engine === null || !isTrap(error)) return;
  engine = null;
  void fail(error);
}

addEventListener("error", (event) => died(event.error));
addEventListener("unhandledrejection", (event) => died(event.reason));

// Listeners first: whoever asks while the module loads waits for its answer instead of finding nobody.
chrome.runtime.onConnect.addListener((port) => ports.accept(port));
chrome.runtime.onMessage.addListener((message: unknown, sender, answer) => {
  const fields = isOwn(sender, id, root) ? addressed(message, "engine") : null;
  if (fields?.["type"] === "ping") answer(true);
  if (fields?.["type"] === "idle-state") engine?.setIdle(fields["state"] as IdleState);
});

// Only one engine may hold the key's session; another document waits until this one is gone.
void navigator.locks.request("engine", async () => {
  await main().catch(fail);
  await new Promise(() => undefined);
});
