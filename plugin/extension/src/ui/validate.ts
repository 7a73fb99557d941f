/** Checks of what a user types, with the words to show beside the field. */
import { URL_LENGTH_MAX } from "../bounds";
import type { Settings } from "../messages";

/** Where a node on this computer listens unless told otherwise. */
export const DEFAULT_NODE = "ws://127.0.0.1:8545/plugin";
export const MIN_PASSPHRASE = 8;

/** `note` is worth saying although the value is taken. */
export type Checked<T> = { ok: true; value: T; note?: string } | { ok: false; error: string };

const bad = (error: string): { ok: false; error: string } => ({ ok: false, error });

/** A node's WebSocket address, in its normal form. */
export function checkNode(text: string, others: readonly string[] = []): Checked<string> {
  const typed = text.trim();
  if (typed === "") return bad("Enter the address of a node, such as " + DEFAULT_NODE);
  if (typed.length > URL_LENGTH_MAX) return bad(`The address is longer than ${URL_LENGTH_MAX} characters`);
  let url: URL;
  try {
    url = new URL(typed);
  } catch {
    return bad("This is not an address. It looks like " + DEFAULT_NODE);
  }
  if (url.protocol !== "ws:" && url.protocol !== "wss:") return bad("The address must begin with ws:// or wss://");
  if (url.hostname === "") return bad("The address names no computer");
  if (url.username !== "" || url.password !== "") return bad("The address must not contain a name or password");
  if (url.hash !== "") return bad("The address must not contain #");
  if (url.pathname === "/" && url.search === "") url.pathname = "/plugin";
  if (others.includes(url.href)) return bad("This node is in the list already");
  if (url.protocol === "wss:" || isLocal(url.hostname)) return { ok: true, value: url.href };
  return { ok: true, value: url.href, note: "This connection is not encrypted: others on the way can see what you prove and interrupt it." };
}

/** Loopback and private networks, where an unencrypted connection stays among one's own machines. */
function isLocal(host: string): boolean {
  const v4 = host.match(/^(\d+)\.(\d+)\.\d+\.\d+$/);
  const [a, b] = [Number(v4?.[1]), Number(v4?.[2])];
  const privateV4 = a === 127 || a === 10 || (a === 192 && b === 168) || (a === 172 && b >= 16 && b <= 31);
  return host === "localhost" || host.endsWith(".localhost") || host.endsWith(".local") || !/[.:]/.test(host) || host === "[::1]" || privateV4;
}

/** A whole number in a range. */
export function checkNumber(text: string, min: number, max: number, unit: string): Checked<number> {
  const value = Number(text.trim());
  if (text.trim() === "" || !Number.isInteger(value)) return bad(`Enter a whole number of ${unit}`);
  if (value < min || value > max) return bad(`Enter ${min} to ${max} ${unit}`);
  return { ok: true, value };
}

/** A secret key as 0x and 64 digits. */
export function checkSecret(text: string): Checked<string> {
  const typed = text.trim().replace(/^0x/i, "");
  if (!/^[0-9a-f]{64}$/i.test(typed)) return bad("A secret key has 64 hexadecimal digits (0–9, a–f)");
  return { ok: true, value: "0x" + typed.toLowerCase() };
}

/** Both typings of a new passphrase. */
export function checkPassphrase(first: string, again: string): { first: string | null; again: string | null } {
  const short = first.length < MIN_PASSPHRASE ? `Use at least ${MIN_PASSPHRASE} characters` : null;
  return { first: short, again: short === null && first !== again ? "The two are not the same" : null };
}

/** How good a passphrase is: a hint from its length and variety, not a promise. */
export function strength(passphrase: string): { level: 0 | 1 | 2 | 3; label: string } {
  if (passphrase.length < MIN_PASSPHRASE) return { level: 0, label: "Too short" };
  const bits = passphraseBits(passphrase);
  if (bits < 45) return { level: 1, label: "Weak: add some words" };
  if (bits < 70) return { level: 2, label: "Good" };
  return { level: 3, label: "Strong" };
}

/** Bits of a search that knows the alphabet and skips repeats and runs like "aaaa" or "1234". */
function passphraseBits(text: string): number {
  const classes: [RegExp, number][] = [[/[a-z]/, 26], [/[A-Z]/, 26], [/\d/, 10], [/[^A-Za-z\d]/, 20]];
  const alphabet = classes.reduce((sum, [pattern, size]) => sum + (pattern.test(text) ? size : 0), 0);
  const codes = [...text].map((letter) => letter.codePointAt(0) ?? 0);
  const fresh = codes.filter((code, at) => at === 0 || Math.abs(code - (codes[at - 1] ?? 0)) > 1).length;
  // Words of a language carry fewer bits per letter than random letters do.
  const perLetter = Math.log2(Math.max(alphabet, 2)) * (/^[a-z ]+$/i.test(text) ? 0.6 : 0.8);
  return Math.min(fresh, new Set(codes).size * 2) * perLetter;
}

/** Hours of the day, or an explanation. */
export function checkHours(from: number, to: number): Checked<NonNullable<Settings["hours"]>> {
  const inDay = (hour: number): boolean => Number.isInteger(hour) && hour >= 0 && hour <= 23;
  if (!inDay(from) || !inDay(to)) return bad("Choose hours from 0 to 23");
  if (from === to) return bad("Begin and end are the same: choose “at any time” instead");
  return { ok: true, value: { from, to } };
}
