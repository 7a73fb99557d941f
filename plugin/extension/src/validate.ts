/**
 * What comes in from popup, options and storage is not trusted to have its type: it is parsed here, once.
 *
 * Unknown shapes are refused as a whole; nothing is repaired silently.
 */

import { DATA_MB, MEMORY_MB, NODES_MAX, URL_LENGTH_MAX } from "./bounds";
import type { Command, Request, Settings } from "./messages";
import { TroubleError } from "./trouble";

const PASSPHRASE_LENGTH_MAX = 1024;

type Fields = Record<string, unknown>;

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function bad(detail: string): never {
  throw new TroubleError("bad-settings", detail);
}

function integer(value: unknown, name: string, min: number, max: number): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < min || value > max) {
    bad(`${name} must be a whole number from ${min} to ${max}`);
  }
  return value;
}

function flag(value: unknown, name: string): boolean {
  if (typeof value !== "boolean") bad(`${name} must be true or false`);
  return value;
}

/** A node's address: ws:// or wss://, without credentials or fragment. */
export function parseNodeUrl(value: unknown): string {
  if (typeof value !== "string" || value.length > URL_LENGTH_MAX || !URL.canParse(value)) {
    bad("a node's address must be like wss://node.example/plugin");
  }
  const url = new URL(value);
  if (url.protocol !== "ws:" && url.protocol !== "wss:") bad(`${value}: a node's address begins with ws:// or wss://`);
  if (url.username !== "" || url.password !== "") bad("a node's address has no user name or password");
  if (url.hash !== "") bad("a node's address has no #");
  return url.href;
}

function parseHours(value: unknown): Settings["hours"] {
  if (value === null) return null;
  if (!isFields(value)) bad("hours must be from and to, or none");
  const from = integer(value["from"], "from", 0, 23);
  const to = integer(value["to"], "to", 0, 24);
  if (from === to) bad("from and to must differ");
  return { from, to };
}

/** Settings in their ranges. */
export function parseSettings(value: unknown, hardwareThreads: number): Settings {
  if (!isFields(value)) bad("settings must be an object");
  const nodes = value["nodes"];
  if (!Array.isArray(nodes) || nodes.length > NODES_MAX) bad(`at most ${NODES_MAX} nodes`);
  const chain = value["chain"];
  if (chain !== null && (typeof chain !== "string" || !/^0x[0-9a-fA-F]{64}$/.test(chain))) {
    bad("the chain is the genesis hash: 0x and 64 hexadecimal digits");
  }
  const notifications = value["notifications"];
  if (!isFields(notifications)) bad("notifications must be an object");
  const data = value["data_mb_per_day"];
  return {
    nodes: [...new Set(nodes.map(parseNodeUrl))],
    chain: chain === null ? null : chain.toLowerCase(),
    threads: integer(value["threads"], "threads", 1, Math.max(1, hardwareThreads)),
    memory_mb: integer(value["memory_mb"], "memory", MEMORY_MB.min, MEMORY_MB.max),
    on_battery: flag(value["on_battery"], "on battery"),
    while_in_use: flag(value["while_in_use"], "while in use"),
    hours: parseHours(value["hours"]),
    data_mb_per_day: data === null ? null : integer(data, "data per day", DATA_MB.min, DATA_MB.max),
    notifications: {
      rewards: flag(notifications["rewards"], "rewards"),
      penalties: flag(notifications["penalties"], "penalties"),
      trouble: flag(notifications["trouble"], "trouble"),
    },
  };
}

/** What a new user starts with. No node is known before the user names one. */
export function defaultSettings(hardwareThreads: number): Settings {
  return {
    nodes: [],
    chain: null,
    threads: Math.max(1, Math.floor(hardwareThreads / 2)),
    memory_mb: 1536,
    on_battery: false,
    while_in_use: true,
    hours: null,
    data_mb_per_day: null,
    notifications: { rewards: true, penalties: true, trouble: true },
  };
}

function text(value: unknown): string | null {
  return typeof value === "string" && value.length <= PASSPHRASE_LENGTH_MAX ? value : null;
}

function parseCommand(value: unknown, hardwareThreads: number): Command | null {
  if (!isFields(value)) return null;
  const type = value["type"];
  switch (type) {
    case "create-wallet":
    case "export-wallet":
    case "delete-wallet":
    case "unlock": {
      const passphrase = text(value["passphrase"]);
      return passphrase === null ? null : { type, passphrase };
    }
    case "import-wallet": {
      const secret = text(value["secret"]);
      const passphrase = text(value["passphrase"]);
      return secret === null || passphrase === null ? null : { type, secret, passphrase };
    }
    case "lock":
    case "pause":
    case "resume":
    case "dismiss-trouble":
    case "clear-history":
      return { type };
    case "set":
      return { type, settings: parseSettings(value["settings"], hardwareThreads) };
    default:
      return null;
  }
}

/** A request's number, or null when the message is not a request: then there is nobody to answer. */
export function parseRequestId(value: unknown): number | null {
  if (!isFields(value)) return null;
  const id = value["id"];
  return typeof id === "number" && Number.isSafeInteger(id) ? id : null;
}

/** A request; null when it is none. Throws `bad-settings` when only the settings in it are bad. */
export function parseRequest(value: unknown, hardwareThreads: number): Request | null {
  const id = parseRequestId(value);
  if (id === null || !isFields(value)) return null;
  const command = parseCommand(value["command"], hardwareThreads);
  return command === null ? null : { id, command };
}
