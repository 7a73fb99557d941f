import assert from "node:assert/strict";
import test from "node:test";
import { Clock } from "../src/clock";

function world() {
  const at = { wall: 1_000_000, ran: 50 };
  const clock = new Clock(
    () => at.wall,
    () => at.ran,
  );
  const pass = (wall: number, ran: number): number => {
    at.wall += wall;
    at.ran += ran;
    return clock.now();
  };
  return { clock, pass };
}

test("time that was slept counts", () => {
  const { pass } = world();
  assert.equal(pass(1_000, 1_000), 1_001_000);
  assert.equal(pass(3_600_000, 5), 4_601_000);
});

test("a wall clock set back does not stop or turn time", () => {
  const { pass } = world();
  assert.equal(pass(-3_600_000, 2_000), 1_002_000);
  assert.equal(pass(1_000, 1_000), 1_003_000);
});

test("small drift between the clocks follows the wall clock", () => {
  const { pass } = world();
  assert.equal(pass(900, 1_000), 1_000_900);
});

test("time never goes back", () => {
  const { pass } = world();
  assert.equal(pass(-100, 0), 1_000_000);
});
