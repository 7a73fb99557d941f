import assert from "node:assert/strict";
import test from "node:test";
import {
  cleared,
  COUNTED_MAX,
  DAYS_MAX,
  emptyHistory,
  type Happening,
  type History,
  type HistoryEvent,
  JOBS_MAX,
  parseHistory,
  reduce,
} from "../src/history";

const play = (events: HistoryEvent[], from: History = emptyHistory()): History => events.reduce(reduce, from);

const offered = (task: string, attempt = 1): HistoryEvent => ({
  type: "offered",
  task,
  attempt,
  kind: "item",
  segments: 3,
  bounty: "1000",
  deadline: "90",
  draw: { height: "7", beacon: "0x01", set_root: "0x02", candidates: 4, index: 2, rejected: 0 },
  at_ms: 1_000,
});

const notice = (height: string, happening: Happening, day = "2026-03-01"): HistoryEvent => ({
  type: "notice",
  height,
  notice: happening,
  at_ms: 9_000,
  day,
});

const accepted = (task: string): Happening => ({ type: "proof-accepted", task, proof_hash: "0xaa" });
const rewarded = (task: string, amount = "900"): Happening => ({ type: "rewarded", task, amount, to_debt: "100" });
const penalised = (task: string, reason: "timed-out" | "handed-back" = "timed-out"): Happening => ({
  type: "penalised",
  task,
  reason,
  amount: "50",
});

const whole: HistoryEvent[] = [
  offered("5"),
  { type: "proven", task: "5", attempt: 1, proof_hash: "0xaa", ms: 41_000 },
  { type: "receipt", task: "5", receipt: { message: "0x01", height: "80", accepted: true, signature: "0x02" } },
  notice("81", accepted("5")),
  notice("81", rewarded("5")),
  { type: "closed", task: "5", attempt: 1, reason: "accepted", at_ms: 9_001 },
];

test("a job from offer to reward", () => {
  const { jobs, days, total } = play(whole);
  assert.equal(jobs.length, 1);
  const [job] = jobs;
  assert.equal(job?.result, "accepted");
  assert.equal(job?.proving_ms, 41_000);
  assert.equal(job?.proof_hash, "0xaa");
  assert.equal(job?.reward, "900");
  assert.equal(job?.to_debt, "100");
  assert.equal(job?.ended_ms, 9_000);
  assert.equal(job?.receipt?.height, "80");
  assert.equal(job?.draw?.candidates, 4);
  assert.deepEqual(days, [{ day: "2026-03-01", earned: "900", penalties: "0", proofs: 1 }]);
  assert.deepEqual(total, { earned: "900", penalties: "0", proofs: 1 });
});

test("hearing everything again changes nothing", () => {
  const once = play(whole);
  assert.deepEqual(play(whole, once), once);
  assert.deepEqual(play([...whole].reverse(), once), once);
  // Also on another day, after a restart from storage.
  const restored = parseHistory(JSON.parse(JSON.stringify(once)));
  assert.ok(restored !== null);
  assert.deepEqual(play([notice("81", rewarded("5"), "2026-03-02")], restored), once);
});

test("the same task in two blocks is two events", () => {
  const history = play([offered("5"), notice("81", penalised("5")), offered("5", 2), notice("99", penalised("5"))]);
  assert.equal(history.total.penalties, "100");
  assert.deepEqual(
    history.jobs.map((job) => [job.attempt, job.result, job.penalty?.amount]),
    [
      [2, "timed-out", "50"],
      [1, "timed-out", "50"],
    ],
  );
});

test("a penalty that is told after the next attempt was offered belongs to the first", () => {
  const history = play([offered("5"), offered("5", 2), notice("81", penalised("5"))]);
  assert.deepEqual(
    history.jobs.map((job) => [job.attempt, job.result]),
    [
      [2, "open"],
      [1, "timed-out"],
    ],
  );
});

test("money of unknown tasks counts, without a job", () => {
  const history = play([notice("4", rewarded("77", "5")), notice("5", penalised("78"))]);
  assert.equal(history.jobs.length, 0);
  assert.deepEqual(history.total, { earned: "5", penalties: "50", proofs: 0 });
});

test("a refund reduces the penalties and shows at the job", () => {
  const refund: Happening = { type: "refunded", task: "5", amount: "30" };
  const history = play([offered("5"), notice("81", penalised("5")), notice("200", refund, "2026-03-02")]);
  assert.equal(history.total.penalties, "20");
  assert.equal(history.jobs[0]?.refunded, "30");
  assert.deepEqual(
    history.days.map((day) => [day.day, day.penalties]),
    [
      ["2026-03-02", "-30"],
      ["2026-03-01", "50"],
    ],
  );
});

test("amounts beyond a double's precision are exact", () => {
  const big = "123456789012345678901234567";
  const history = play([notice("1", rewarded("1", big)), notice("2", rewarded("2", "1"))]);
  assert.equal(history.total.earned, "123456789012345678901234568");
});

test("an offer after a restart keeps the job as it is", () => {
  const before = play(whole.slice(0, 3));
  assert.deepEqual(play([offered("5")], before), before);
});

test("an offer of what was handed back in vain opens it again", () => {
  const history = play([
    offered("5"),
    { type: "handed-back", task: "5", attempt: 1, reason: "too-slow", at_ms: 2_000 },
    offered("5"),
  ]);
  assert.equal(history.jobs[0]?.handed_back, null);
  assert.equal(history.jobs[0]?.result, "open");
});

test("a handed back job says why, and its penalty names the reason", () => {
  const history = play([
    offered("5"),
    { type: "handed-back", task: "5", attempt: 1, reason: "pausing", at_ms: 2_000 },
    notice("81", penalised("5", "handed-back")),
    { type: "closed", task: "5", attempt: 1, reason: "handed-back", at_ms: 3_000 },
  ]);
  const [job] = history.jobs;
  assert.equal(job?.handed_back, "pausing");
  assert.deepEqual(job?.penalty, { amount: "50", reason: "handed-back" });
  assert.equal(job?.result, "handed-back");
});

test("what was declined is not shown", () => {
  assert.equal(play([offered("5"), { type: "declined", task: "5", attempt: 1 }]).jobs.length, 0);
});

test("a kept proof keeps the time that it took", () => {
  const again: HistoryEvent = { type: "proven", task: "5", attempt: 1, proof_hash: "0xaa", ms: null };
  assert.equal(play([...whole.slice(0, 2), again]).jobs[0]?.proving_ms, 41_000);
});

test("length is bounded, newest first", () => {
  let history = emptyHistory();
  for (let i = 0; i < JOBS_MAX + 10; i += 1) history = reduce(history, offered(String(i)));
  assert.equal(history.jobs.length, JOBS_MAX);
  assert.equal(history.jobs[0]?.task, String(JOBS_MAX + 9));
  for (let i = 0; i < COUNTED_MAX + 10; i += 1) {
    const day = new Date(Date.UTC(2020, 0, 1 + (i % (DAYS_MAX + 10)))).toISOString().slice(0, 10);
    history = reduce(history, notice(String(i), rewarded("1", "1"), day));
  }
  assert.equal(history.counted.length, COUNTED_MAX);
  assert.equal(history.days.length, DAYS_MAX);
  assert.ok((history.days[0]?.day ?? "") > (history.days[1]?.day ?? ""));
  assert.equal(history.total.earned, String(COUNTED_MAX + 10));
});

test("clearing forgets jobs and sums, not what was counted", () => {
  const history = cleared(play([...whole, offered("6")]));
  assert.deepEqual(
    history.jobs.map((job) => job.task),
    ["6"],
  );
  assert.equal(history.total.earned, "0");
  assert.equal(play([notice("81", rewarded("5"))], history).total.earned, "0");
});

test("damaged histories are not taken for histories", () => {
  const good = JSON.parse(JSON.stringify(play(whole))) as Record<string, unknown>;
  assert.ok(parseHistory(good) !== null);
  for (const change of [
    { version: 2 },
    { jobs: [{ task: 5 }] },
    { days: [{ day: "2026-03-01", earned: "x", penalties: "0", proofs: 0 }] },
    { total: { earned: 5, penalties: "0", proofs: 0 } },
    { counted: [1] },
    { jobs: null },
  ]) {
    assert.equal(parseHistory({ ...good, ...change }), null, JSON.stringify(change));
  }
});
