import assert from "node:assert/strict";
import test from "node:test";
import type { Settings } from "../src/messages";
import { type Circumstances, isWithin, judge, type Verdict, waitingFor } from "../src/policy";
import { defaultSettings } from "../src/validate";

const settings: Settings = { ...defaultSettings(4), nodes: ["wss://node.example/plugin"] };
const now: Circumstances = {
  wallet: "unlocked",
  paused: false,
  hour: 12,
  onBattery: false,
  idle: "idle",
  bytesToday: 0,
  outOfMemory: false,
  fault: false,
};

const works: Verdict = { work: true, online: true, reason: null };
const rests = (reason: Verdict["reason"]): Verdict => ({ work: false, online: true, reason });
const away = (reason: Verdict["reason"]): Verdict => ({ work: false, online: false, reason });

const table: [string, Partial<Settings>, Partial<Circumstances>, Verdict][] = [
  ["nothing in its way", {}, {}, works],
  ["no wallet", {}, { wallet: "none", paused: true }, away("no-wallet")],
  ["a locked wallet", {}, { wallet: "locked", paused: true }, away("locked")],
  ["pause", {}, { paused: true }, rests("paused")],
  ["within its hours", { hours: { from: 8, to: 13 } }, {}, works],
  ["outside its hours", { hours: { from: 13, to: 18 } }, {}, rests("outside-hours")],
  ["battery", {}, { onBattery: true }, rests("on-battery")],
  ["battery allowed", { on_battery: true }, { onBattery: true }, works],
  ["in use", { while_in_use: false }, { idle: "active" }, rests("machine-in-use")],
  ["in use allowed", { while_in_use: true }, { idle: "active" }, works],
  ["a locked screen is not in use", { while_in_use: false }, { idle: "locked" }, works],
  ["below the data limit", { data_mb_per_day: 10 }, { bytesToday: 9_999_999 }, works],
  ["at the data limit", { data_mb_per_day: 10 }, { bytesToday: 10_000_000 }, away("data-limit")],
  ["paused at the data limit", { data_mb_per_day: 10 }, { bytesToday: 10_000_000, paused: true }, away("paused")],
  ["no data limit", { data_mb_per_day: null }, { bytesToday: 1e12 }, works],
  ["too little memory", {}, { outOfMemory: true }, rests("memory-limit")],
  ["a fault", {}, { fault: true }, away("fault")],
  ["no node", { nodes: [] }, {}, away("no-node")],
  ["the first reason counts", { while_in_use: false }, { paused: true, onBattery: true, idle: "active" }, rests("paused")],
];
for (const [name, change, circumstance, expected] of table) {
  test(name, () => assert.deepEqual(judge({ ...settings, ...change }, { ...now, ...circumstance }), expected));
}

test("hours span midnight", () => {
  const night = { from: 22, to: 6 };
  const inside = Array.from({ length: 24 }, (_, hour) => hour).filter((hour) => isWithin(night, hour));
  assert.deepEqual(inside, [0, 1, 2, 3, 4, 5, 22, 23]);
  assert.equal(isWithin({ from: 0, to: 24 }, 23), true);
});

test("what it waits for, from the outside in", () => {
  const ready = { connection: "online", keysReady: true, standing: "active" } as const;
  assert.equal(waitingFor(ready), "waiting-for-work");
  assert.equal(waitingFor({ ...ready, standing: "suspended" }), "suspended");
  assert.equal(waitingFor({ ...ready, standing: "unknown" }), "registering");
  assert.equal(waitingFor({ ...ready, standing: "unknown", keysReady: false }), "loading-keys");
  assert.equal(waitingFor({ ...ready, keysReady: false, connection: "connecting" }), "connecting");
  assert.equal(waitingFor({ ...ready, connection: "waiting" }), "no-node");
});
