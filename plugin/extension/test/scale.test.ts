import assert from "node:assert/strict";
import test from "node:test";
import type { Day } from "../src/messages";
import { lastDays, localDay, scale } from "../src/ui/scale";

const day = (name: string, earned: number, penalties = 0): Day => ({ day: name, earned: `${earned}`, penalties: `${penalties}`, proofs: 1 });

test("days without work are there, with nothing", () => {
  const drawn = scale([day("2026-03-14", 5)], "2026-03-14", 14);
  assert.equal(drawn.bars.length, 14);
  assert.equal(drawn.bars[0]?.day, "2026-03-01");
  assert.deepEqual(drawn.bars.slice(0, 13).map((bar) => bar.up), Array(13).fill(0));
  assert.equal(drawn.bars[13]?.up, 1);
  assert.equal(drawn.zero, 1);
});

test("penalties hang below the line and share the scale", () => {
  const drawn = scale([day("2026-03-13", 300), day("2026-03-14", 0, 100)], "2026-03-14", 14);
  assert.equal(drawn.zero, 0.75);
  assert.equal(drawn.bars[12]?.up, 0.75);
  assert.equal(drawn.bars[13]?.down, 0.25);
  assert.deepEqual([drawn.max, drawn.min], [300n, 100n]);
});

test("a penalty counts the same with either sign", () => {
  const signed = scale([{ ...day("2026-03-14", 10), penalties: "-10" }], "2026-03-14", 14);
  assert.equal(signed.bars[13]?.down, 0.5);
});

test("only penalties put the line on top", () => {
  const drawn = scale([day("2026-03-14", 0, 7)], "2026-03-14", 14);
  assert.deepEqual([drawn.zero, drawn.bars[13]?.down], [0, 1]);
});

test("a small reward beside a large one can be seen, and none stays none", () => {
  const drawn = scale([day("2026-03-13", 1), day("2026-03-14", 1e12)], "2026-03-14", 14);
  assert.ok((drawn.bars[12]?.up ?? 0) > 0.005);
  assert.equal(drawn.bars[11]?.up, 0);
});

test("nothing at all is no division by zero", () => {
  const drawn = scale([], "2026-03-14", 14);
  assert.deepEqual([drawn.max, drawn.min, drawn.zero], [0n, 0n, 1]);
});

test("days cross months and years", () => {
  assert.deepEqual(lastDays("2024-03-01", 3), ["2024-02-28", "2024-02-29", "2024-03-01"]);
  assert.deepEqual(lastDays("2026-01-01", 2), ["2025-12-31", "2026-01-01"]);
  assert.match(localDay(Date.now()), /^\d{4}-\d\d-\d\d$/);
});
