/**
 * The plugin's key at rest: encrypted with a passphrase, bound to its address.
 *
 * PBKDF2-HMAC-SHA-256 makes an AES-256-GCM key from passphrase and random salt; the address and the parameters are
 * additional data, so a record whose address was exchanged does not open. This module keeps nothing: the unlocked
 * secret belongs to the engine, which gives it to the core and to nobody else.
 */

import { fromHex, toHex } from "./hex";
import type { WalletRecord } from "./messages";
import { TroubleError } from "./trouble";

/** Rounds for new records; a record says its own. */
export const ITERATIONS = 600_000;
/** More than this in a record would only keep the browser busy. */
const ITERATIONS_MAX = 10_000_000;
/** Shortest passphrase, in characters. */
export const PASSPHRASE_LENGTH_MIN = 8;
const SECRET_BYTES = 32;
const SALT_BYTES = 16;
const IV_BYTES = 12;

/** An EIP-55 address; throws when the bytes are no secp256k1 secret. */
export type AddressOf = (secret: Uint8Array) => string;

/** An unlocked key. */
export interface Unlocked {
  address: string;
  secret: Uint8Array<ArrayBuffer>;
}

function additional(record: Pick<WalletRecord, "version" | "address" | "iterations">): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`crowdfold wallet ${record.version} ${record.iterations} ${record.address}`);
}

async function passphraseKey(
  crypto: Crypto,
  passphrase: string,
  salt: Uint8Array<ArrayBuffer>,
  iterations: number,
): Promise<CryptoKey> {
  // NFKC: the same passphrase typed on another keyboard gives the same bytes.
  const bytes = new TextEncoder().encode(passphrase.normalize("NFKC"));
  const material = await crypto.subtle.importKey("raw", bytes, "PBKDF2", false, ["deriveKey"]);
  const params = { name: "PBKDF2", hash: "SHA-256", salt, iterations };
  return crypto.subtle.deriveKey(params, material, { name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
}

/** Encrypts a secret. Throws `wrong-passphrase` for one that is too short, `bad-key` for bytes that are no secret. */
export async function seal(
  crypto: Crypto,
  addressOf: AddressOf,
  secret: Uint8Array<ArrayBuffer>,
  passphrase: string,
  iterations = ITERATIONS,
): Promise<WalletRecord> {
  if ([...passphrase].length < PASSPHRASE_LENGTH_MIN) {
    throw new TroubleError("wrong-passphrase", `the passphrase needs at least ${PASSPHRASE_LENGTH_MIN} characters`);
  }
  const address = addressOrTrouble(addressOf, secret);
  const salt = crypto.getRandomValues(new Uint8Array(SALT_BYTES));
  const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
  const key = await passphraseKey(crypto, passphrase, salt, iterations);
  const head = { version: 1 as const, address, iterations };
  const params = { name: "AES-GCM", iv, additionalData: additional(head) };
  const ciphertext = new Uint8Array(await crypto.subtle.encrypt(params, key, secret));
  return { ...head, salt: toHex(salt), iv: toHex(iv), ciphertext: toHex(ciphertext) };
}

/** Opens a record. Throws `wrong-passphrase`, or `storage-corrupt` when what opens is not the address's secret. */
export async function open(
  crypto: Crypto,
  addressOf: AddressOf,
  record: WalletRecord,
  passphrase: string,
): Promise<Unlocked> {
  const salt = fromHex(record.salt);
  const iv = fromHex(record.iv, IV_BYTES);
  const ciphertext = fromHex(record.ciphertext);
  if (salt === null || iv === null || ciphertext === null) {
    throw new TroubleError("storage-corrupt", "the stored key cannot be read");
  }
  const key = await passphraseKey(crypto, passphrase, salt, record.iterations);
  let secret: Uint8Array<ArrayBuffer>;
  try {
    const params = { name: "AES-GCM", iv, additionalData: additional(record) };
    secret = new Uint8Array(await crypto.subtle.decrypt(params, key, ciphertext));
  } catch (error) {
    throw new TroubleError("wrong-passphrase", "this passphrase does not open the key", { cause: error });
  }
  if (secret.length !== SECRET_BYTES || addressOrTrouble(addressOf, secret) !== record.address) {
    throw new TroubleError("storage-corrupt", "the stored key is not the address's");
  }
  return { address: record.address, secret };
}

/** A fresh secret. */
export function generate(crypto: Crypto, addressOf: AddressOf): Uint8Array<ArrayBuffer> {
  for (;;) {
    const secret = crypto.getRandomValues(new Uint8Array(SECRET_BYTES));
    try {
      addressOf(secret);
      return secret;
    } catch {
      // Not below the group's order: one in 2^128.
    }
  }
}

/** The secret that a user typed: 64 hexadecimal digits, with or without 0x. Throws `bad-key`. */
export function parseSecret(addressOf: AddressOf, typed: string): Uint8Array<ArrayBuffer> {
  const trimmed = typed.trim();
  const secret = fromHex(trimmed.startsWith("0x") ? trimmed : `0x${trimmed}`, SECRET_BYTES);
  if (secret === null) throw new TroubleError("bad-key", "a private key has 64 hexadecimal digits");
  addressOrTrouble(addressOf, secret);
  return secret;
}

function addressOrTrouble(addressOf: AddressOf, secret: Uint8Array): string {
  try {
    return addressOf(secret);
  } catch (error) {
    throw new TroubleError("bad-key", "this is not a private key of secp256k1", { cause: error });
  }
}

/** A record of the right shape, or null. */
export function parseRecord(value: unknown): WalletRecord | null {
  if (typeof value !== "object" || value === null) return null;
  const { version, address, iterations, salt, iv, ciphertext } = value as Record<string, unknown>;
  const isWhole =
    version === 1 &&
    typeof address === "string" &&
    fromHex(address, 20) !== null &&
    typeof iterations === "number" &&
    Number.isInteger(iterations) &&
    iterations >= 1 &&
    iterations <= ITERATIONS_MAX &&
    fromHex(salt) !== null &&
    fromHex(iv, IV_BYTES) !== null &&
    fromHex(ciphertext) !== null;
  if (!isWhole) return null;
  return { version, address, iterations, salt: salt as string, iv: iv as string, ciphertext: ciphertext as string };
}
