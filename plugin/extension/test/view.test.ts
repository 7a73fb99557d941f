import assert from "node:assert/strict";
import test from "node:test";
import { badgeOf } from "../src/badge";
import { Saved } from "../src/saved";
import { connectionState, type Known, makeView, Throttle } from "../src/view";
import type { CoreJob, CoreView } from "../src/wasm";
import { FakeTime } from "./fakes";

const nothing = { get: async () => undefined, set: async () => {}, delete: async () => {}, setAside: async () => {} };
const NOW = 1_700_000_000_000;

const job: CoreJob = {
  task: "5",
  attempt: 1,
  kind: "item",
  segments: 2,
  bounty: "1000",
  assigned: "7",
  deadline: "90",
  stage: "running",
  stage_ms: 4_000,
  permille: 500,
  left_ms: 4_000,
  deadline_ms: 60_000,
  proof_hash: null,
  retries: 0,
};
const core: CoreView = {
  link: { type: "online" },
  standing: "active",
  chain: { id: "7", genesis_hash: "0x01", params_digest: "0x02", node: "0x03", height: "8", block_time_ms: 500 },
  registration: "idle",
  is_paused: false,
  is_stopping: false,
  is_full: false,
  jobs: [],
  fetch: null,
  ms_per_segment: null,
};
const known = (change: Partial<Known> = {}): Known => ({
  saved: new Saved(nothing, 4, () => NOW, () => undefined),
  isUnlocked: true,
  core,
  node: "ws://node/",
  idle: "waiting-for-work",
  account: null,
  prover: "ready",
  keys: "ready",
  memory_bytes: 5,
  progress: null,
  trouble: null,
  hardware_threads: 4,
  wall_ms: NOW,
  ...change,
});
const progress = { task: "5", attempt: 1, stage: "spartan", permille: 500, started_ms: NOW - 10_000 };

test("the proof that runs is shown with the worker's stage; then it is not idle", () => {
  const view = makeView(known({ core: { ...core, jobs: [job] }, progress }));
  assert.equal(view.idle, null);
  assert.equal(view.running?.stage, "spartan");
  assert.equal(view.running?.permille, 500);
  assert.equal(view.running?.left_ms, 4_000);
  assert.equal(view.queued, 0);
  assert.equal(badgeOf(view).tone, "busy");
});

test("what earlier proofs took corrects an estimate that is too good", () => {
  const jobs = [job];
  const slow = makeView(known({ core: { ...core, jobs, ms_per_segment: 30_000 }, progress }));
  assert.equal(slow.running?.left_ms, 50_000);
  const fast = makeView(known({ core: { ...core, jobs, ms_per_segment: 1_000 }, progress }));
  assert.equal(fast.running?.left_ms, 4_000);
});

test("after the proof: uploading, checking, submitted", () => {
  const stages = (["proven", "checking", "verified", "submitted"] as const).map((stage) => {
    return makeView(known({ core: { ...core, jobs: [{ ...job, stage, left_ms: 0 }] } })).running?.stage;
  });
  assert.deepEqual(stages, ["uploading", "checking", "checking", "submitted"]);
});

test("a proof that runs is shown before one that is submitted; the others wait", () => {
  const jobs = [
    { ...job, task: "4", stage: "submitted" as const },
    job,
    { ...job, task: "6", stage: "queued" as const },
  ];
  const view = makeView(known({ core: { ...core, jobs }, progress }));
  assert.equal(view.running?.task, "5");
  assert.equal(view.queued, 1);
});

test("work that waits for keys is not running", () => {
  const view = makeView(known({ core: { ...core, jobs: [job] }, prover: "starting", keys: "none", idle: "loading-keys" }));
  assert.equal(view.running, null);
  assert.equal(view.idle, "loading-keys");
  assert.equal(view.queued, 1);
});

test("keys: part fetched, checked, prepared, ready", () => {
  const fetch = { digest: "0x", have: 50, total: 100 };
  const steps: Partial<Known>[] = [
    { prover: "off", keys: "none" },
    { prover: "starting", keys: "fetching", core: { ...core, fetch: { ...fetch, total: null } } },
    { prover: "starting", keys: "fetching", core: { ...core, fetch } },
    { prover: "starting", keys: "checking" },
    { prover: "preparing", keys: "ready" },
    { prover: "ready", keys: "ready" },
  ];
  const shown = steps.map((step) => makeView(known(step)).keys);
  assert.deepEqual(
    shown.map((keys) => keys.state),
    ["none", "fetching", "fetching", "checking", "preparing", "ready"],
  );
  const parts = shown.map((keys) => keys.permille);
  assert.deepEqual(parts, [...parts].sort((a, b) => a - b));
  assert.equal(parts[2], 400);
});

test("connection states, with the time of the next attempt", () => {
  assert.equal(connectionState(null), "off");
  const waiting = makeView(known({ core: { ...core, link: { type: "waiting", retry_in_ms: 700 } } }));
  assert.deepEqual(waiting.connection, { state: "waiting", node: "ws://node/", retry_at_ms: NOW + 700 });
  assert.equal(connectionState({ ...core, link: { type: "logging-in" } }), "connecting");
  assert.equal(makeView(known({ core: null })).connection.node, null);
});

test("trouble is what the badge shows first", () => {
  const trouble = { code: "wrong-chain" as const, detail: "x", at_ms: NOW };
  const badge = badgeOf(makeView(known({ core: { ...core, jobs: [job] }, progress, trouble })));
  assert.equal(badge.tone, "bad");
  assert.equal(badge.text, "!");
  assert.equal(badgeOf(makeView(known({ idle: "paused" }))).tone, "idle");
  assert.equal(badgeOf(makeView(known())).tone, "ok");
});

test("the throttle runs soon, never more often than its interval, and the last word is told", async () => {
  const time = new FakeTime();
  let runs = 0;
  const throttle = new Throttle(time, () => time.now, () => 250, () => void (runs += 1));
  throttle.ask();
  throttle.ask();
  await time.pass(0);
  assert.equal(runs, 1);
  throttle.ask();
  await time.pass(249);
  assert.equal(runs, 1);
  await time.pass(1);
  assert.equal(runs, 2);
  throttle.now();
  assert.equal(runs, 3);
  await time.pass(10_000);
  assert.equal(runs, 3);
});

test("a clock set back does not silence the throttle", async () => {
  const time = new FakeTime();
  let runs = 0;
  const throttle = new Throttle(time, () => time.now, () => 250, () => void (runs += 1));
  throttle.now();
  time.now -= 3_600_000;
  throttle.ask();
  await time.pass(250);
  assert.equal(runs, 2);
});
