/** The offscreen document: gives the engine the browser's clock, sockets, storage, battery and messages. */

import { Clock } from "./clock";
import { Engine } from "./engine";
import type { SocketLike, Timers } from "./link";
import { memoryFor } from "./memory";
import type { Hello, IdleState, ToServiceWorker } from "./messages";
import { Ports } from "./ports";
import type { WorkerLike } from "./prover";
import { addressed, isOwn } from "./sender";
import { Store } from "./store";
import { type Door, importDoor, wasmUrl } from "./wasm";

/** Memory for the state machine's own instance, in megabytes: it holds a key while that is fetched, and proofs. */
const CORE_MEMORY_MB = 512;

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

async function watchBattery(engine: Engine): Promise<void> {
  const getBattery = (navigator as Navigator & { getBattery?: () => Promise<BatteryLike> }).getBattery;
  if (getBattery === undefined) return;
  const battery = await getBattery.call(navigator);
  const tell = (): void => engine.setBattery(!battery.charging);
  battery.addEventListener("chargingchange", tell);
  tell();
}

async function main(): Promise<void> {
  const hardwareThreads = Math.max(1, navigator.hardwareConcurrency);
  const wallMs = (): number => Date.now();
  const root = chrome.runtime.getURL("");
  const id = chrome.runtime.id;
  const ports: Ports = new Ports({
    id,
    root,
    hardwareThreads,
    wallMs,
    command: (command) => engine.command(command),
    onOpen: () => engine.watch(),
    onClose: () => engine.unwatch(),
  });
  const engine: Engine = new Engine({
    door: await loadDoor(),
    store: new Store(indexedDB, "crowdfold"),
    crypto,
    clock: new Clock(wallMs, () => performance.now()),
    timers,
    dial: (url) => new WebSocket(url) as unknown as SocketLike,
    spawn: () =>
      new Worker(new URL("./prover-worker.js", import.meta.url), { type: "module", name: "prover" }) as WorkerLike,
    agent: `crowdfold-plugin/${chrome.runtime.getManifest().version}`,
    hardwareThreads,
    tellServiceWorker,
    publish: (view) => ports.publish(view),
  });
  chrome.runtime.onConnect.addListener((port) => ports.accept(port));
  chrome.runtime.onMessage.addListener((message: unknown, sender, answer) => {
    const fields = isOwn(sender, id, root) ? addressed(message, "engine") : null;
    if (fields?.["type"] === "ping") answer(true);
    if (fields?.["type"] === "idle-state") engine.setIdle(fields["state"] as IdleState);
  });
  addEventListener("online", () => engine.network(true));
  addEventListener("offline", () => engine.network(false));
  await engine.start(await sayHello());
  await watchBattery(engine);
}

// Only one engine may hold the key's session; another document waits until this one is gone.
void navigator.locks.request("engine", async () => {
  await main();
  await new Promise(() => undefined);
});
