import assert from "node:assert/strict";
import test from "node:test";
import type { FromProver, ToProver } from "../src/messages";
import { ProverClient, type WorkerLike } from "../src/prover";
import { FakeTime, settle } from "./fakes";

class FakeWorker implements WorkerLike {
  onmessage: ((event: MessageEvent<FromProver>) => void) | null = null;
  onerror: ((event: ErrorEvent) => void) | null = null;
  heard: ToProver[] = [];
  isTerminated = false;

  postMessage(message: ToProver): void {
    this.heard.push(message);
  }
  terminate(): void {
    this.isTerminated = true;
  }
  say(message: FromProver): void {
    this.onmessage?.({ data: message } as MessageEvent<FromProver>);
  }
  names(): string[] {
    return this.heard.map((message) => (message.type === "prove" ? `prove ${message.task}` : message.type));
  }
}

const memory = new WebAssembly.Memory({ initial: 1, maximum: 2, shared: true });
const job = (task: string) => ({ task, attempt: 1, package: Uint8Array.of(1), worker: "0x01" });
const search = (height: string) => ({ chain_id: "1", plugin: "0x01", height, block_hash: "0x02", expected: "9" });

function world(hasKeys = true) {
  const time = new FakeTime();
  const workers: FakeWorker[] = [];
  const told: string[] = [];
  const keys = { value: hasKeys ? { params_digest: "0xdd" } : null };
  const prover = new ProverClient(
    {
      spawn: () => {
        const worker = new FakeWorker();
        workers.push(worker);
        return worker;
      },
      timers: time,
      keys: () => Promise.resolve(keys.value === null ? null : { key: new ArrayBuffer(4), ...keys.value }),
      onProgress: ({ task, permille }) => told.push(`progress ${task} ${permille}`),
      onProven: ({ task }) => told.push(`proven ${task}`),
      onFailed: (task, _attempt, kind) => told.push(`failed ${task} ${kind}`),
      onSolved: (height, nonce) => told.push(`solved ${height} ${nonce}`),
      onTrouble: (code) => told.push(`trouble ${code}`),
      onChange: () => undefined,
    },
    { threads: 2, memory_mb: 1024 },
  );
  const last = (): FakeWorker => workers.at(-1) ?? assert.fail("no worker");
  const ready = async (): Promise<FakeWorker> => {
    prover.want();
    last().say({ type: "started", memory });
    await settle();
    last().say({ type: "ready", ms: 5, memory_bytes: 9 });
    return last();
  };
  const proven = (task: string): FromProver => {
    return { type: "proven", task, attempt: 1, proof: Uint8Array.of(1), ms: 7, memory_bytes: 9 };
  };
  return { time, workers, told, keys, prover, last, ready, proven };
}

const unusable = (code: "prover-failed" | "out-of-memory" | "no-threads"): FromProver => {
  return { type: "unusable", code, detail: "x" };
};

test("it loads, prepares, proves one at a time in order", async () => {
  const { prover, last, ready, proven, told } = world();
  prover.prove(job("1"));
  prover.prove(job("2"));
  assert.equal(prover.state, "starting");
  assert.deepEqual(last().heard[0], { type: "start", threads: 2, memory_mb: 1024 });
  await ready();
  assert.equal(prover.state, "ready");
  assert.deepEqual(last().names(), ["start", "prepare", "prove 1"]);
  last().say(proven("1"));
  assert.deepEqual(last().names().slice(3), ["prove 2"]);
  last().say({ type: "failed", task: "2", attempt: 1, kind: "bad-package", detail: "x" });
  assert.deepEqual(told, ["proven 1", "failed 2 bad-package"]);
  assert.equal(prover.isBusy, false);
});

test("without keys it waits, and asks again when told to", async () => {
  const { prover, last, keys } = world(false);
  prover.prove(job("1"));
  last().say({ type: "started", memory });
  await settle();
  assert.deepEqual(last().names(), ["start"]);
  keys.value = { params_digest: "0xdd" };
  prover.want();
  await settle();
  assert.deepEqual(last().names(), ["start", "prepare"]);
});

test("a search needs no keys, and a newer one takes its place", async () => {
  const { prover, last, told } = world(false);
  prover.solve(search("4"));
  last().say({ type: "started", memory });
  await settle();
  const first = last().heard.at(-1);
  assert.ok(first?.type === "solve" && Atomics.load(new Int32Array(first.cancel), 0) === 0);
  prover.solve(search("5"));
  assert.equal(Atomics.load(new Int32Array(first.cancel), 0), 1);
  last().say({ type: "solved", height: "4", nonce: "1" });
  last().say({ type: "solved", height: "5", nonce: "2" });
  assert.deepEqual(told, ["solved 5 2"]);
});

test("cancelling sets the flag in shared memory; what waits is simply dropped", async () => {
  const { prover, ready, told } = world();
  prover.prove(job("1"));
  prover.prove(job("2"));
  const worker = await ready();
  const running = worker.heard.at(-1);
  assert.ok(running?.type === "prove");
  prover.cancel("2", 1);
  prover.cancel("1", 1);
  assert.equal(Atomics.load(new Int32Array(running.cancel), 0), 1);
  worker.say({ type: "failed", task: "1", attempt: 1, kind: "cancelled", detail: "" });
  assert.deepEqual(told, []);
  assert.equal(prover.isBusy, false);
});

test("a cancelled proof that goes on is ended with its worker, and what waits is proven by another", async () => {
  const { prover, ready, told, time, workers } = world();
  prover.prove(job("1"));
  prover.prove(job("2"));
  const worker = await ready();
  prover.cancel("1", 1);
  for (let i = 0; i < 4; i += 1) {
    worker.say({ type: "progress", task: "1", attempt: 1, stage: "spartan", permille: 500, memory_bytes: 1 });
    await time.pass(5_000);
  }
  assert.equal(worker.isTerminated, true);
  assert.deepEqual(told, []);
  assert.equal(workers.length, 2);
  const next = await ready();
  assert.deepEqual(next.names().slice(2), ["prove 2"]);
  assert.deepEqual(told, []);
});

test("work that is asked for anew is not answered by what was cancelled", async () => {
  const { prover, ready, proven, told } = world();
  prover.prove(job("1"));
  const worker = await ready();
  prover.cancel("1", 1);
  prover.prove(job("1"));
  worker.say({ type: "failed", task: "1", attempt: 1, kind: "cancelled", detail: "" });
  assert.deepEqual(worker.names().slice(2), ["prove 1", "prove 1"]);
  assert.deepEqual(told, []);
  worker.say(proven("1"));
  assert.deepEqual(told, ["proven 1"]);
});

test("a crash restarts the worker and tries the proof once more, then fails it", async () => {
  const { prover, ready, last, told } = world();
  prover.prove(job("1"));
  (await ready()).say(unusable("prover-failed"));
  assert.deepEqual(told, ["trouble prover-failed"]);
  const second = await ready();
  assert.deepEqual(second.names(), ["start", "prepare", "prove 1"]);
  second.onerror?.({ message: "trap" } as ErrorEvent);
  assert.equal(second.isTerminated, true);
  assert.equal(told.includes("failed 1 failed"), true);
  assert.notEqual(prover.state, "broken");
  assert.equal(last(), second);
});

test("after three crashes without a proof it is broken, until it is mended", async () => {
  const { prover, ready, told, workers } = world();
  for (let i = 0; i < 3; i += 1) (await ready()).say(unusable("prover-failed"));
  assert.equal(prover.state, "broken");
  prover.prove(job("1"));
  assert.equal(workers.length, 3);
  prover.mend();
  await ready();
  assert.equal(workers.length, 4);
  assert.deepEqual(workers[3]?.names(), ["start", "prepare", "prove 1"]);
  assert.equal(told.filter((what) => what === "trouble prover-failed").length, 3);
});

test("a proof in between forgives crashes", async () => {
  const { prover, ready, proven } = world();
  for (let i = 0; i < 5; i += 1) {
    prover.prove(job(String(i)));
    const worker = await ready();
    worker.say(proven(String(i)));
    worker.say(unusable("prover-failed"));
  }
  assert.equal(prover.state, "off");
});

test("out of memory is for good at once, and fails everything that waits", async () => {
  const { prover, ready, told } = world();
  prover.prove(job("1"));
  prover.prove(job("2"));
  (await ready()).say(unusable("out-of-memory"));
  assert.equal(prover.state, "broken");
  assert.deepEqual(told, ["failed 1 failed", "failed 2 failed", "trouble out-of-memory"]);
  prover.configure({ threads: 2, memory_mb: 2048 });
  assert.equal(prover.state, "off");
});

test("other settings take effect after the proof that runs", async () => {
  const { prover, ready, proven, workers, last } = world();
  prover.prove(job("1"));
  const first = await ready();
  prover.configure({ threads: 1, memory_mb: 1024 });
  assert.equal(first.isTerminated, false);
  first.say(proven("1"));
  assert.equal(first.isTerminated, true);
  assert.equal(workers.length, 2);
  assert.deepEqual(last().heard[0], { type: "start", threads: 1, memory_mb: 1024 });
});

test("a worker that proves and says nothing has hung; one that speaks has not", async () => {
  const { prover, ready, time, told } = world();
  prover.prove(job("1"));
  const worker = await ready();
  for (let i = 0; i < 60; i += 1) {
    worker.say({ type: "progress", task: "1", attempt: 1, stage: "fold", permille: 1, memory_bytes: 1 });
    await time.pass(5_000);
  }
  assert.equal(worker.isTerminated, false);
  await time.pass(80_000);
  assert.equal(worker.isTerminated, true);
  assert.equal(told.includes("trouble prover-failed"), true);
});

test("sleep is not silence", async () => {
  const { prover, ready, time } = world();
  prover.prove(job("1"));
  const worker = await ready();
  await time.sleep(3_600_000);
  assert.equal(worker.isTerminated, false);
});

test("idle, it may stay silent for ever, and gives its memory back when asked", async () => {
  const { prover, ready, time } = world();
  const worker = await ready();
  await time.pass(3_600_000);
  assert.equal(worker.isTerminated, false);
  assert.equal(prover.memoryBytes, 65_536);
  prover.unload();
  assert.equal(worker.isTerminated, true);
  assert.equal(prover.memoryBytes, null);
  assert.equal(prover.state, "off");
});

test("with work it is not unloaded", async () => {
  const { prover, ready } = world();
  prover.prove(job("1"));
  const worker = await ready();
  prover.unload();
  assert.equal(worker.isTerminated, false);
});

test("an ended worker's words are nobody's", async () => {
  const { prover, ready, proven, told } = world();
  prover.prove(job("1"));
  const first = await ready();
  first.say(unusable("prover-failed"));
  first.say(proven("1"));
  assert.deepEqual(told, ["trouble prover-failed"]);
  prover.close();
});
