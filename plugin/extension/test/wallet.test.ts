import assert from "node:assert/strict";
import { webcrypto } from "node:crypto";
import test from "node:test";
import { toHex } from "../src/hex";
import type { WalletRecord } from "../src/messages";
import { TroubleError } from "../src/trouble";
import { generate, ITERATIONS, open, parseRecord, parseSecret, seal } from "../src/wallet";

const crypto = webcrypto as unknown as Crypto;
const PASSPHRASE = "correct horse battery";

/** Not secp256k1: an address that depends on every byte is enough here. */
function addressOf(secret: Uint8Array): string {
  if (secret.every((byte) => byte === 0)) throw new Error("not a secret");
  return toHex(secret.slice(0, 20).map((byte, i) => byte ^ (secret[31 - i] ?? 0)));
}

const secret = (fill: number): Uint8Array<ArrayBuffer> => new Uint8Array(32).map((_, i) => (fill + i * i) & 0xff);
const sealed = (): Promise<WalletRecord> => seal(crypto, addressOf, secret(7), PASSPHRASE, 1_000);

function code(expected: string) {
  return (error: unknown) => error instanceof TroubleError && error.code === expected;
}

test("what is sealed opens with its passphrase", async () => {
  const record = await sealed();
  const key = await open(crypto, addressOf, record, PASSPHRASE);
  assert.deepEqual(key.secret, secret(7));
  assert.equal(key.address, addressOf(secret(7)));
  assert.deepEqual(parseRecord(JSON.parse(JSON.stringify(record))), record);
});

test("the record does not show the secret, and two are never alike", async () => {
  const [a, b] = [await sealed(), await sealed()];
  assert.equal(JSON.stringify(a).includes(toHex(secret(7)).slice(2)), false);
  assert.notEqual(a.salt, b.salt);
  assert.notEqual(a.iv, b.iv);
  assert.notEqual(a.ciphertext, b.ciphertext);
});

test("new records take at least 600,000 rounds", () => assert.ok(ITERATIONS >= 600_000));

test("the default number of rounds is the one that counts", async () => {
  const record = await seal(crypto, addressOf, secret(7), PASSPHRASE);
  assert.equal(record.iterations, ITERATIONS);
  await open(crypto, addressOf, record, PASSPHRASE);
});

test("a wrong passphrase is told as such", async () => {
  const record = await sealed();
  await assert.rejects(open(crypto, addressOf, record, "correct horse batterz"), code("wrong-passphrase"));
  await assert.rejects(open(crypto, addressOf, record, ""), code("wrong-passphrase"));
});

test("the same passphrase in another Unicode form opens", async () => {
  const record = await seal(crypto, addressOf, secret(7), "Schlüsselwörter", 1_000);
  await open(crypto, addressOf, record, "Schlüsselwörter".normalize("NFD"));
});

test("a short passphrase is refused", async () => {
  await assert.rejects(seal(crypto, addressOf, secret(7), "1234567", 1_000), code("wrong-passphrase"));
});

test("nothing in a record can be exchanged", async () => {
  const record = await sealed();
  const other = await seal(crypto, addressOf, secret(9), PASSPHRASE, 1_000);
  const flip = (hex: string): string => `${hex.slice(0, -1)}${hex.endsWith("0") ? "1" : "0"}`;
  const changed: Partial<WalletRecord>[] = [
    { address: other.address },
    { iterations: 1_001 },
    { salt: flip(record.salt) },
    { iv: flip(record.iv) },
    { ciphertext: flip(record.ciphertext) },
    { ciphertext: other.ciphertext },
  ];
  for (const change of changed) {
    await assert.rejects(open(crypto, addressOf, { ...record, ...change }, PASSPHRASE), code("wrong-passphrase"));
  }
});

test("a secret that is not the address's is not used", async () => {
  const record = await sealed();
  await assert.rejects(open(crypto, () => `0x${"00".repeat(20)}`, record, PASSPHRASE), code("storage-corrupt"));
});

test("records of another shape are none", async () => {
  const record = await sealed();
  for (const change of [
    { version: 2 },
    { address: "0x12" },
    { iterations: 0 },
    { iterations: 1e9 },
    { salt: 5 },
    { iv: "0x" },
    { ciphertext: "zz" },
  ]) {
    assert.equal(parseRecord({ ...record, ...change }), null, JSON.stringify(change));
  }
  assert.equal(parseRecord(null), null);
});

test("typed keys are 64 hexadecimal digits of a secret", () => {
  const hex = toHex(secret(7));
  assert.deepEqual(parseSecret(addressOf, ` ${hex}\n`), secret(7));
  assert.deepEqual(parseSecret(addressOf, hex.slice(2)), secret(7));
  for (const typed of ["", "0x", hex.slice(0, -2), `${hex}00`, hex.replace("0x", "0y"), `0x${"00".repeat(32)}`]) {
    assert.throws(() => parseSecret(addressOf, typed), code("bad-key"), typed);
  }
});

test("a generated secret is one, also after a miss", () => {
  let misses = 2;
  const missing = (bytes: Uint8Array): string => {
    if (misses-- > 0) throw new Error("not below the order");
    return addressOf(bytes);
  };
  assert.equal(generate(crypto, missing).length, 32);
  assert.equal(misses, -1);
});
