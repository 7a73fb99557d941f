import assert from "node:assert/strict";
import test from "node:test";
import { ago, amount, bytes, count, dayName, duration, hostOf, measured, percent, shortHex, units } from "../src/ui/format";

const EN = { locale: "en-US" };
const text = (value: string, signed = false): string => amount(value, { ...EN, signed }).text;

test("amounts show the digits that matter and are cut, not rounded", () => {
  const rows: [string, string][] = [
    ["0", "0"],
    ["1000000000000000000", "1.00"],
    ["1999999999999999999", "1.9999"],
    ["-1000000000000000000", "−1.00"],
    ["4200000000000000", "0.0042"],
    ["4219999999999999", "0.00421"],
    ["123456789012", "0.0000001"],
    ["99999999999", "< 0.0000001"],
    ["-1", "−< 0.0000001"],
    ["12345678900000000000000", "12,345.67"],
    ["100000000000000000000000000000", "100,000,000,000.00"],
  ];
  for (const [value, expected] of rows) assert.equal(text(value), expected, value);
});

test("amounts are exact beyond what a float holds", () => {
  assert.equal(amount("123456789012345678901234567", EN).exact, "123456789.012345678901234567 ZKPoW");
  assert.equal(text("9007199254740993000000000000000000"), "9,007,199,254,740,993.00");
});

test("a gain has a plus only where signs are wanted", () => {
  assert.equal(text("1000000000000000000", true), "+1.00");
  assert.equal(text("-1000000000000000000", true), "−1.00");
  assert.equal(text("0", true), "0");
  assert.deepEqual(["-5", "0", "5"].map((value) => amount(value).sign), [-1, 0, 1]);
});

test("a text that is no amount counts as nothing", () => {
  for (const broken of ["", "1.5", "abc", "0x10", "--1", "9".repeat(61)]) assert.equal(units(broken), 0n, broken);
});

test("amounts follow the language", () => {
  assert.equal(amount("1234560000000000000000", { locale: "de-DE" }).text, "1.234,56");
});

test("durations name their two largest units", () => {
  const rows: [number, string][] = [
    [0, "0 sec"],
    [-5_000, "0 sec"],
    [59_400, "59 sec"],
    [60_000, "1 min"],
    [80_000, "1 min 20 sec"],
    [3_600_000, "1 hr"],
    [3_661_000, "1 hr 1 min"],
    [90_000_000, "1 day 1 hr"],
  ];
  for (const [ms, expected] of rows) assert.equal(duration(ms, "en-US"), expected);
  assert.equal(measured(38_449, "en-US"), "38.4 sec");
  assert.equal(measured(61_000, "en-US"), "1 min 1 sec");
});

test("times past are told from a minute on", () => {
  const now = 1_700_000_000_000;
  assert.equal(ago(now - 59_000, now, "en-US"), "just now");
  assert.equal(ago(now + 5_000, now, "en-US"), "just now");
  assert.equal(ago(now - 125_000, now, "en-US"), "2 min. ago");
  assert.equal(ago(now - 26 * 3_600_000, now, "en-US"), "1 day ago");
});

test("per cent never says done before it is", () => {
  assert.equal(percent(999, "en-US"), "99%");
  assert.equal(percent(1000, "en-US"), "100%");
  assert.equal(percent(-3, "en-US"), "0%");
  assert.equal(percent(5_000, "en-US"), "100%");
});

test("sizes, counts, days, hashes, hosts", () => {
  assert.equal(bytes(0, "en-US"), "0 byte");
  assert.equal(bytes(894_000_000, "en-US"), "894 MB");
  assert.equal(bytes(1_250_000_000, "en-US"), "1.3 GB");
  assert.equal(count("18420", "en-US"), "18,420");
  assert.equal(count("nonsense", "en-US"), "0");
  assert.equal(dayName("2026-03-01", "en-GB"), "1 Mar");
  assert.equal(dayName("never"), "never");
  assert.equal(shortHex("0x" + "ab".repeat(32)), "0xababab…abab");
  assert.equal(shortHex("0x1234"), "0x1234");
  assert.equal(hostOf("ws://127.0.0.1:8545/plugin"), "127.0.0.1:8545");
  assert.equal(hostOf("nonsense"), "nonsense");
});
