/**
 * The engine's values that survive, parsed once when they are read and written whenever they change.
 *
 * A value that cannot be read is set aside and told; a write that fails is told and tried again with the next change.
 * Writes of one value are in order and never two at a time.
 */

import { emptyHistory, type History, parseHistory } from "./history";
import type { Settings, WalletRecord } from "./messages";
import type { Store } from "./store";
import { defaultSettings, parseSettings } from "./validate";
import { parseRecord } from "./wallet";

/** The chain that the plugin works for. */
export interface Pin {
  genesis_hash: string;
  params_digest: string;
  /** EIP-155, decimal. */
  chain_id: string;
}

/** Measured time per segment, and with how many threads. */
export interface Speed {
  ms_per_segment: number;
  threads: number;
}

export interface Traffic {
  day: string;
  bytes: number;
}

type Values = Pick<Store, "get" | "set" | "delete" | "setAside">;

export class Saved {
  settings: Settings;
  wallet: WalletRecord | null = null;
  isPaused = false;
  pin: Pin | null = null;
  speed: Speed | null = null;
  traffic: Traffic = { day: "", bytes: 0 };
  history: History = emptyHistory();
  #historyName: string | null = null;
  /** Last write of each value that waits or runs. */
  #writes = new Map<string, { value: unknown; isRunning: boolean; isDue: boolean; done: Promise<void> }>();

  constructor(
    private readonly store: Values,
    private readonly hardwareThreads: number,
    private readonly wallMs: () => number,
    private readonly onTrouble: (error: unknown) => void,
  ) {
    this.settings = defaultSettings(hardwareThreads);
  }

  /** Reads everything. Throws when the storage cannot be read at all. */
  async load(): Promise<void> {
    const threads = this.hardwareThreads;
    const parse = (value: unknown): Settings => parseSettings(clampThreads(value, threads), threads);
    this.settings = (await this.#read("settings", parse)) ?? this.settings;
    this.wallet = await this.#read("wallet", orThrow(parseRecord));
    this.isPaused = (await this.#read("paused", (value) => value === true)) ?? false;
    this.pin = await this.#read("pin", orThrow(parsePin));
    this.speed = await this.#read("speed", orThrow(parseSpeed));
    this.traffic = (await this.#read("traffic", orThrow(parseTraffic))) ?? this.traffic;
    await this.loadHistory();
  }

  /** Reads the history of the present wallet. */
  async loadHistory(): Promise<void> {
    const name = this.wallet === null ? null : `history ${this.wallet.address}`;
    if (name === this.#historyName) return;
    this.history = name === null ? emptyHistory() : ((await this.#read(name, orThrow(parseHistory))) ?? emptyHistory());
    this.#historyName = name;
  }

  async #read<T>(name: string, parse: (value: unknown) => T): Promise<T | null> {
    const value = await this.store.get(name);
    if (value === undefined) return null;
    try {
      return parse(value);
    } catch (error) {
      await this.store.setAside(name, this.wallMs());
      this.onTrouble(error);
      return null;
    }
  }

  setSettings(settings: Settings): void {
    this.settings = settings;
    this.#write("settings", settings);
  }

  setPaused(isPaused: boolean): void {
    this.isPaused = isPaused;
    this.#write("paused", isPaused);
  }

  setPin(pin: Pin | null): void {
    this.pin = pin;
    this.#write("pin", pin ?? undefined);
  }

  setSpeed(speed: Speed): void {
    this.speed = speed;
    this.#write("speed", speed);
  }

  setTraffic(traffic: Traffic): void {
    this.traffic = traffic;
    this.#write("traffic", traffic);
  }

  setHistory(history: History): void {
    if (history === this.history) return;
    this.history = history;
    if (this.#historyName !== null) this.#write(this.#historyName, history);
  }

  /** The wallet is written before anything else happens with it: throws when it cannot be kept. */
  async setWallet(wallet: WalletRecord | null): Promise<void> {
    if (wallet === null) await this.store.delete("wallet");
    else await this.store.set("wallet", wallet);
    this.wallet = wallet;
    await this.loadHistory();
  }

  /** When every write begun so far has ended. */
  async flush(): Promise<void> {
    await Promise.all([...this.#writes.values()].map((write) => write.done));
  }

  #write(name: string, value: unknown): void {
    const write = this.#writes.get(name) ?? { value, isRunning: false, isDue: false, done: Promise.resolve() };
    write.value = value;
    write.isDue = true;
    this.#writes.set(name, write);
    if (write.isRunning) return;
    write.isRunning = true;
    write.done = (async () => {
      while (write.isDue) {
        write.isDue = false;
        try {
          if (write.value === undefined) await this.store.delete(name);
          else await this.store.set(name, write.value);
        } catch (error) {
          this.onTrouble(error);
        }
      }
      write.isRunning = false;
    })();
  }
}

function orThrow<T>(parse: (value: unknown) => T | null): (value: unknown) => T {
  return (value) => {
    const parsed = parse(value);
    if (parsed === null) throw new Error("a stored value cannot be read; it was set aside");
    return parsed;
  };
}

/** Settings may come from a machine (or a browser version) with more threads. */
function clampThreads(value: unknown, threads: number): unknown {
  if (typeof value !== "object" || value === null || !("threads" in value)) return value;
  return typeof value.threads === "number" ? { ...value, threads: Math.min(value.threads, threads) } : value;
}

function fields(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function parsePin(value: unknown): Pin | null {
  const { genesis_hash, params_digest, chain_id } = fields(value);
  const isHash = (text: unknown): text is string => typeof text === "string" && /^0x[0-9a-f]{64}$/.test(text);
  if (!isHash(genesis_hash) || !isHash(params_digest)) return null;
  return typeof chain_id === "string" && /^\d+$/.test(chain_id) ? { genesis_hash, params_digest, chain_id } : null;
}

function parseSpeed(value: unknown): Speed | null {
  const { ms_per_segment, threads } = fields(value);
  const isPositive = (n: unknown): n is number => typeof n === "number" && Number.isFinite(n) && n > 0;
  return isPositive(ms_per_segment) && isPositive(threads) ? { ms_per_segment, threads } : null;
}

function parseTraffic(value: unknown): Traffic | null {
  const { day, bytes } = fields(value);
  return typeof day === "string" && typeof bytes === "number" && bytes >= 0 ? { day, bytes } : null;
}
