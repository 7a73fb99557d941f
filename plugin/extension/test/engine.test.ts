import assert from "node:assert/strict";
import { createHash, webcrypto } from "node:crypto";
import test from "node:test";
import { IDBFactory } from "fake-indexeddb";
import { Clock } from "../src/clock";
import { Engine } from "../src/engine";
import { toHex } from "../src/hex";
import type { FromProver, Hello, Settings, ToProver, ToServiceWorker, View } from "../src/messages";
import type { WorkerLike } from "../src/prover";
import { Store } from "../src/store";
import { TroubleError } from "../src/trouble";
import { defaultSettings } from "../src/validate";
import type { Action, Core, CoreEvent, CoreView, Door } from "../src/wasm";
import { FakeSocket, FakeTime, settle } from "./fakes";

const PASSPHRASE = "correct horse";
const SECRET = toHex(new Uint8Array(32).fill(7));
const digest = (bytes: Uint8Array): string => `0x${createHash("sha256").update(bytes).digest("hex")}`;
const text = (value: unknown): Uint8Array<ArrayBuffer> => new TextEncoder().encode(JSON.stringify(value));
const KEY = Uint8Array.of(1, 2, 3);
const PARAMS = `0x${"dd".repeat(32)}`;
const GENESIS = text({ hash: "", chain_id: "7", params_digest: PARAMS, key: digest(KEY) });
/** Of a chain with other circuits. */
const OTHER_PARAMS = `0x${"ee".repeat(32)}`;
const OTHER_GENESIS = text({ hash: "", chain_id: "8", params_digest: OTHER_PARAMS, key: digest(KEY) });
const CHAIN = { id: "7", genesis_hash: digest(GENESIS), params_digest: PARAMS, node: "0x", height: "5", block_time_ms: 500 };

/** A core that notes what it is told; the test says what it wants. */
class FakeCore {
  static made: FakeCore[] = [];
  calls: string[] = [];
  pending: Action[] = [];
  chain: CoreView["chain"] = null;
  link: CoreView["link"] = { type: "connecting" };
  jobs: CoreView["jobs"] = [];
  isFreed = false;
  config: { expected: unknown; ms_per_segment: number | null };

  constructor(
    config: string,
    readonly secret: Uint8Array,
  ) {
    this.config = JSON.parse(config) as FakeCore["config"];
    FakeCore.made.push(this);
  }
  #note(call: string): void {
    assert.equal(this.isFreed, false, `${call} after free`);
    this.calls.push(call);
  }
  tick(): void {
    assert.equal(this.isFreed, false, "tick after free");
  }
  connected(): void {
    this.#note("connected");
  }
  connect_now(): void {
    this.#note("connect_now");
  }
  disconnected(): void {
    this.#note("disconnected");
  }
  pause(): void {
    this.#note("pause");
  }
  resume(): void {
    this.#note("resume");
  }
  stop(): void {
    this.#note("stop");
  }
  fetch(_: number, what: string): void {
    this.#note(`fetch ${what === CHAIN.genesis_hash ? "genesis" : "key"}`);
    const bytes = [GENESIS, OTHER_GENESIS].find((genesis) => digest(genesis) === what) ?? KEY;
    this.pending.push({ type: "data", digest: what, bytes: bytes.slice(), code: null });
  }
  progress(_: number, task: bigint, permille: number): void {
    this.#note(`progress ${task} ${permille}`);
  }
  finished(_: number, task: bigint, attempt: number, proof: Uint8Array): void {
    this.#note(`finished ${task} ${attempt} ${proof.join()}`);
  }
  failed(_: number, task: bigint, _attempt: number, kind: string): void {
    this.#note(`failed ${task} ${kind}`);
  }
  registration_solved(_: number, height: bigint, nonce: bigint): void {
    this.#note(`solved ${height} ${nonce}`);
  }
  next_wakeup_ms(): undefined {
    return undefined;
  }
  actions(): Action[] {
    const actions = this.pending;
    this.pending = [];
    return actions;
  }
  view(): CoreView {
    assert.equal(this.isFreed, false, "view after free");
    const { link, chain, jobs } = this;
    const flags = { is_paused: false, is_stopping: false, is_full: false };
    return { link, standing: "active", chain, registration: "idle", ...flags, jobs, fetch: null, ms_per_segment: 900 };
  }
  free(): void {
    this.isFreed = true;
  }
}

class FakeWorker implements WorkerLike {
  onmessage: ((event: MessageEvent<FromProver>) => void) | null = null;
  onerror = null;
  heard: ToProver[] = [];
  postMessage(message: ToProver): void {
    this.heard.push(message);
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 2, shared: true });
    if (message.type === "start") this.say({ type: "started", memory });
    if (message.type === "prepare") this.say({ type: "ready", ms: 1, memory_bytes: 1 });
  }
  terminate(): void {}
  say(message: FromProver): void {
    queueMicrotask(() => this.onmessage?.({ data: message } as MessageEvent<FromProver>));
  }
  proves(): string[] {
    return this.heard.flatMap((m) => (m.type === "prove" ? [`${m.task} ${m.attempt}`] : []));
  }
}

const door = {
  Core: FakeCore as unknown as new (config: string, secret: Uint8Array, now: number) => Core,
  new_address: (secret: Uint8Array) => {
    if (secret.every((byte) => byte === 0)) throw new Error("no secret");
    return toHex(createHash("sha256").update(secret).digest().subarray(0, 20));
  },
  keccak256: digest,
  read_genesis: (bytes: Uint8Array) => JSON.parse(new TextDecoder().decode(bytes)) as unknown,
} as unknown as Door;

const settings: Settings = { ...defaultSettings(4), nodes: ["ws://node/plugin"] };

async function world(factory = new IDBFactory(), hello: Partial<Hello> = {}, time = new FakeTime()) {
  const told: ToServiceWorker[] = [];
  const views: View[] = [];
  const workers: FakeWorker[] = [];
  const sockets: FakeSocket[] = [];
  FakeCore.made = [];
  const store = new Store(factory, "test");
  const engine = new Engine({
    door,
    store,
    crypto: webcrypto as unknown as Crypto,
    clock: new Clock(
      () => time.now,
      () => time.now,
    ),
    timers: time,
    dial: (url) => {
      const socket = new FakeSocket(url);
      sockets.push(socket);
      return socket;
    },
    spawn: () => {
      const worker = new FakeWorker();
      workers.push(worker);
      return worker;
    },
    agent: "test",
    hardwareThreads: 4,
    tellServiceWorker: (message) => told.push(message),
    publish: (view) => views.push(view),
  });
  await engine.start({ secret: null, wallet: null, idle: "idle", ...hello });
  await settle();
  const core = (): FakeCore => FakeCore.made.at(-1) ?? assert.fail("no core");
  const act = async (...actions: Action[]): Promise<void> => {
    core().pending.push(...actions);
    await time.pass(2_000);
  };
  const event = (what: CoreEvent): Promise<void> => act({ type: "event", event: what });
  const login = async (change: Partial<typeof CHAIN> = {}): Promise<void> => {
    core().chain = { ...CHAIN, ...change };
    core().link = { type: "online" };
    await event({ type: "logged-in", plugin: "0x", standing: "active", resumed: false, params_digest: PARAMS });
    await time.pass(3_000);
  };
  const set = (change: Partial<Settings>): Promise<string | undefined> =>
    engine.command({ type: "set", settings: { ...engine.saved.settings, ...change } });
  return { engine, time, factory, store, told, views, workers, sockets, core, act, event, login, set };
}

async function atWork() {
  const all = await world();
  await all.engine.command({ type: "import-wallet", secret: SECRET, passphrase: PASSPHRASE });
  await all.set(settings);
  await settle();
  await all.login();
  return all;
}

const start = (task = "5"): Action => {
  return { type: "start-work", task, attempt: 1, kind: "item", segments: 2, package: Uint8Array.of(9) };
};
const proven = (task = "5"): FromProver => {
  return { type: "proven", task, attempt: 1, proof: Uint8Array.of(4, 2), ms: 800, memory_bytes: 1 };
};
const code = (expected: string) => (e: unknown) => e instanceof TroubleError && e.code === expected;

test("nothing is connected before there are a key and a node", async () => {
  const { engine, set, time } = await world();
  assert.equal(engine.view().idle, "no-wallet");
  await engine.command({ type: "create-wallet", passphrase: PASSPHRASE });
  await time.pass(10_000);
  assert.equal(engine.view().idle, "no-node");
  assert.equal(FakeCore.made.length, 0);
  await set(settings);
  assert.equal(FakeCore.made.length, 1);
});

test("at first it rests until the keys are there, then it works", async () => {
  const { core, workers, engine } = await atWork();
  assert.deepEqual(core().calls, ["pause", "fetch genesis", "fetch key", "resume"]);
  assert.deepEqual(
    workers[0]?.heard.map((m) => m.type),
    ["start", "prepare"],
  );
  assert.equal(engine.view().keys.state, "ready");
  assert.equal(engine.view().idle, "waiting-for-work");
});

test("with kept keys it works from the first moment, for the chain that it knows", async () => {
  const first = await atWork();
  await first.engine.saved.flush();
  const secret = toHex(new Uint8Array(32).fill(7));
  const second = await world(first.factory, { secret });
  assert.deepEqual(second.core().calls, []);
  const { genesis_hash, params_digest, id } = CHAIN;
  assert.deepEqual(second.core().config.expected, { genesis_hash, params_digest, chain_id: id });
  assert.equal(second.engine.view().wallet.state, "unlocked");
  assert.equal(second.engine.view().settings.chain, genesis_hash);
});

test("a secret that is not the wallet's does not unlock it", async () => {
  const first = await atWork();
  await first.engine.saved.flush();
  const second = await world(first.factory, { secret: `0x${"08".repeat(32)}` });
  assert.equal(second.engine.view().wallet.state, "locked");
  assert.equal(FakeCore.made.length, 0);
});

test("a proof is kept before it is handed over, and answers after a restart", async () => {
  const { act, workers, core, factory, engine, time } = await atWork();
  await act(start());
  assert.deepEqual(workers[0]?.proves(), ["5 1"]);
  workers[0]?.say({ type: "progress", task: "5", attempt: 1, stage: "fold", permille: 400, memory_bytes: 1 });
  await time.pass(300);
  workers[0]?.say(proven());
  await time.pass(300);
  assert.deepEqual(core().calls.slice(-2), ["progress 5 400", "finished 5 1 4,2"]);
  await engine.saved.flush();

  const second = await world(factory, { secret: SECRET }, time);
  await second.act(start());
  assert.deepEqual(second.core().calls, ["finished 5 1 4,2"]);
  assert.deepEqual(second.workers.flatMap((worker) => worker.proves()), []);
});

test("other work for the same task is proven again", async () => {
  const { act, workers, factory, engine, time } = await atWork();
  await act(start());
  workers[0]?.say(proven());
  await time.pass(300);
  await engine.saved.flush();
  const second = await world(factory, { secret: SECRET }, time);
  await second.act({ ...start(), package: Uint8Array.of(8) } as Action);
  await settle();
  assert.deepEqual(second.workers.flatMap((worker) => worker.proves()), ["5 1"]);
});

test("a closed task's proof is forgotten", async () => {
  const { act, event, workers, store, time } = await atWork();
  await act(start());
  workers[0]?.say(proven());
  await time.pass(300);
  const name = `${door.new_address(new Uint8Array(32).fill(7))} 5 1 ${digest(Uint8Array.of(9))}`;
  assert.ok((await store.proof(name)) !== null);
  await event({ type: "closed", task: "5", attempt: 1, reason: "accepted" });
  assert.equal(await store.proof(name), null);
});

test("cancelled work says nothing more", async () => {
  const { act, workers, core, time } = await atWork();
  await act(start());
  await act({ type: "cancel-work", task: "5", attempt: 1 });
  workers[0]?.say(proven());
  await time.pass(300);
  assert.equal(core().calls.some((call) => call.startsWith("finished")), false);
});

test("pause and resume go to the core, and survive a restart", async () => {
  const { engine, core, factory } = await atWork();
  await engine.command({ type: "pause" });
  assert.equal(core().calls.at(-1), "pause");
  assert.equal(engine.view().idle, "paused");
  await engine.saved.flush();
  const second = await world(factory, { secret: SECRET });
  assert.deepEqual(second.core().calls, ["pause"]);
  await second.engine.command({ type: "resume" });
  assert.deepEqual(second.core().calls, ["pause", "resume"]);
});

test("battery and use of the machine pause it as the settings say", async () => {
  const { engine, core, set } = await atWork();
  engine.setBattery(true);
  assert.deepEqual([core().calls.at(-1), engine.view().idle], ["pause", "on-battery"]);
  engine.setBattery(false);
  assert.equal(core().calls.at(-1), "resume");
  await set({ while_in_use: false });
  engine.setIdle("active");
  assert.deepEqual([core().calls.at(-1), engine.view().idle], ["pause", "machine-in-use"]);
});

test("locking leaves in order, forgets the key, and asks for the passphrase again", async () => {
  const { engine, core, told, act, time } = await atWork();
  const before = core();
  await engine.command({ type: "lock" });
  assert.equal(before.calls.includes("stop"), true);
  assert.deepEqual(told.filter((m) => m.type === "keep-secret").at(-1), {
    to: "service-worker",
    type: "keep-secret",
    secret: null,
  });
  await act({ type: "finished", outcome: { type: "stopped", open: 0 } });
  await time.pass(20_000);
  assert.equal(before.isFreed, true);
  assert.equal(FakeCore.made.length, 1);
  await assert.rejects(engine.command({ type: "unlock", passphrase: "wrong horse" }), code("wrong-passphrase"));
  assert.equal(engine.view().wallet.state, "locked");
  await engine.command({ type: "unlock", passphrase: PASSPHRASE });
  assert.equal(FakeCore.made.length, 2);
});

test("the key is given to the core and to the service worker's session memory, to nobody else", async () => {
  const { told, views, workers, core, engine } = await atWork();
  assert.deepEqual(toHex(core().secret), SECRET);
  const others = told.filter((m) => m.type !== "keep-secret");
  const everything = JSON.stringify([others, views, workers.map((w) => w.heard), engine.view()]);
  assert.equal(everything.includes(SECRET.slice(2)), false);
});

test("a wallet is not overwritten, and deleting it needs its passphrase", async () => {
  const { engine } = await atWork();
  await assert.rejects(engine.command({ type: "create-wallet", passphrase: PASSPHRASE }), code("wallet-exists"));
  await assert.rejects(engine.command({ type: "delete-wallet", passphrase: "wrong horse" }), code("wrong-passphrase"));
  assert.equal(await engine.command({ type: "export-wallet", passphrase: PASSPHRASE }), SECRET);
  await engine.command({ type: "delete-wallet", passphrase: PASSPHRASE });
  assert.equal(engine.view().wallet.state, "none");
  await assert.rejects(engine.command({ type: "unlock", passphrase: PASSPHRASE }), code("no-wallet"));
});

test("an evicted database gets its wallet back from the service worker", async () => {
  const { told } = await atWork();
  const kept = told.find((m) => m.type === "keep-wallet");
  const second = await world(new IDBFactory(), { wallet: kept?.type === "keep-wallet" ? kept.wallet : null });
  assert.equal(second.engine.view().wallet.state, "locked");
  await second.engine.command({ type: "unlock", passphrase: PASSPHRASE });
});

test("a storage that cannot be read is told, and nothing is written over it", async () => {
  const factory = new IDBFactory();
  await new Promise<void>((resolve) => {
    const request = factory.open("test", 99);
    request.onsuccess = () => {
      request.result.close();
      resolve();
    };
  });
  const { engine } = await world(factory);
  assert.equal(engine.view().trouble?.code, "storage-corrupt");
  assert.equal(engine.view().idle, "fault");
  await assert.rejects(engine.command({ type: "create-wallet", passphrase: PASSPHRASE }), code("storage-corrupt"));
});

test("a refusal for good is shown; the user may try again", async () => {
  const { act, engine, time } = await atWork();
  const refused = { type: "refused", code: { number: 120, text: "a newer connection took over" } } as const;
  await act({ type: "finished", outcome: refused });
  await time.pass(600_000);
  assert.equal(FakeCore.made.length, 1);
  assert.equal(engine.view().trouble?.code, "refused");
  assert.equal(engine.view().idle, "fault");
  await engine.command({ type: "resume" });
  assert.equal(FakeCore.made.length, 2);
});

test("one node of several cannot say that the key is at work elsewhere, all together can", async () => {
  const { act, engine, set, core, time } = await atWork();
  await set({ nodes: ["ws://liar/plugin", "ws://node/plugin"] });
  await act({ type: "finished", outcome: { type: "stopped", open: 0 } });
  const refused = { type: "refused", code: { number: 120, text: "a newer connection took over" } } as const;
  const supersede = async (): Promise<void> => {
    const sessions = FakeCore.made.length;
    await act({ type: "connect" }, { type: "finished", outcome: refused });
    await time.pass(40_000);
    assert.equal(FakeCore.made.length, sessions + (engine.view().idle === "fault" ? 0 : 1));
  };
  await supersede();
  assert.notEqual(engine.view().idle, "fault");
  await act({ type: "connect" });
  assert.equal(engine.view().connection.node, "ws://node/plugin");
  core().pending = [];
  await act({ type: "finished", outcome: refused });
  await time.pass(40_000);
  assert.equal(engine.view().idle, "fault");
});

for (const lie of [{ id: "9" }, { params_digest: OTHER_PARAMS }]) {
  test(`a node that lies about the genesis' ${Object.keys(lie)[0]} is left, and its word is not kept`, async () => {
    const { engine, login, set, time, core } = await world();
    await engine.command({ type: "import-wallet", secret: SECRET, passphrase: PASSPHRASE });
    await set({ nodes: ["ws://liar/plugin", "ws://node/plugin"], chain: CHAIN.genesis_hash });
    await login(lie);
    const lied = core();
    assert.equal(engine.saved.pin, null);
    assert.equal(engine.view().trouble?.code, "wrong-chain");
    await time.pass(40_000);
    assert.notEqual(core(), lied);
    assert.deepEqual(core().config.expected, { genesis_hash: CHAIN.genesis_hash, params_digest: null, chain_id: null });
    await login();
    await time.pass(6_000);
    assert.deepEqual(engine.saved.pin, { genesis_hash: CHAIN.genesis_hash, params_digest: PARAMS, chain_id: "7" });
    assert.equal(core().calls.at(-1), "resume");
  });
}

test("a later node's lie does not replace what the genesis confirmed, nor stays", async () => {
  const { engine, login, core } = await atWork();
  const lied = core();
  await login({ id: "9" });
  assert.equal(lied.isFreed, true);
  assert.equal(engine.saved.pin?.chain_id, "7");
});

test("what was prepared for one chain does not prove for another", async () => {
  const { set, act, time, login, workers, core, engine } = await atWork();
  const genesis_hash = digest(OTHER_GENESIS);
  await set({ chain: genesis_hash });
  await act({ type: "finished", outcome: { type: "stopped", open: 0 } });
  await time.pass(1_000);
  await login({ id: "8", genesis_hash, params_digest: OTHER_PARAMS });
  await time.pass(6_000);
  await act(start());
  assert.deepEqual(workers.map((worker) => worker.proves()), [[], ["5 1"]]);
  const prepared = workers[1]?.heard.find((m) => m.type === "prepare");
  assert.equal(prepared?.type === "prepare" ? prepared.params_digest : null, OTHER_PARAMS);
  assert.equal(core().calls.at(-1), "resume");
  assert.equal(engine.saved.pin?.chain_id, "8");
});

test("what a wallet's last session earns is not another wallet's", async () => {
  const { engine, event, core } = await atWork();
  const first = core();
  await engine.command({ type: "delete-wallet", passphrase: PASSPHRASE });
  await engine.command({ type: "create-wallet", passphrase: PASSPHRASE });
  assert.equal(core(), first, "it still takes its leave");
  await event({ type: "notice", height: "81", notice: { type: "rewarded", task: "5", amount: "900", to_debt: "0" } });
  const account = { height: "9", standing: "active", balance: "7", accrued: "0", debt: "50", bond: "0" } as const;
  const trust = { consecutive_valid: 3, slots: 1, next_slot_at: 10, accepted: "3", failed: "1" };
  await event({ type: "account", account: { ...account, ...trust } });
  assert.equal(engine.view().total.earned, "0");
  assert.equal(engine.view().account, null);
});

test("too little memory pauses until the user allows more", async () => {
  const { act, engine, workers, core, set, time } = await atWork();
  await act(start());
  workers[0]?.say({ type: "unusable", code: "out-of-memory", detail: "x" });
  await time.pass(1_000);
  assert.deepEqual(core().calls.slice(-2), ["failed 5 failed", "pause"]);
  assert.equal(engine.view().idle, "memory-limit");
  assert.equal(engine.view().trouble?.code, "out-of-memory");
  await set({ memory_mb: 3_000 });
  await time.pass(6_000);
  assert.equal(core().calls.at(-1), "resume");
  assert.equal(workers.length, 2);
});

test("beyond the day's data it goes away, and comes back with the next day", async () => {
  const { engine, set, time, sockets, act, core } = await atWork();
  await set({ data_mb_per_day: 10 });
  await act({ type: "connect" });
  sockets[0]?.open();
  for (let i = 0; i < 12; i += 1) await act({ type: "send", bytes: new Uint8Array(1_000_000) });
  await time.pass(6_000);
  assert.equal(engine.view().idle, "data-limit");
  assert.equal(core().calls.includes("stop"), true);
  await act({ type: "finished", outcome: { type: "stopped", open: 0 } });
  await time.pass(24 * 3_600_000);
  assert.equal(FakeCore.made.length, 2);
  assert.equal(engine.view().today.bytes, 0);
});

test("another node or chain: it leaves and begins anew", async () => {
  const { set, core, act, time, engine } = await atWork();
  await set({ nodes: ["ws://other/plugin"], chain: null });
  assert.equal(core().calls.includes("stop"), true);
  await act({ type: "finished", outcome: { type: "stopped", open: 0 } });
  await time.pass(6_000);
  assert.equal(FakeCore.made.length, 2);
  assert.equal(core().config.expected, null);
  assert.equal(engine.saved.pin, null);
});

test("earnings are counted once, whoever tells them again", async () => {
  const { event, engine, factory, time, told } = await atWork();
  const rewarded = { type: "rewarded", task: "5", amount: "900", to_debt: "0" } as const;
  await event({ type: "notice", height: "81", notice: rewarded });
  await event({ type: "recent", happened: [{ height: "81", notice: rewarded }] });
  await engine.saved.flush();
  const second = await world(factory, { secret: SECRET }, time);
  await second.event({ type: "recent", happened: [{ height: "81", notice: rewarded }] });
  assert.equal(second.engine.view().total.earned, "900");
  assert.equal(told.filter((m) => m.type === "notify").length, 1);
  assert.equal(second.told.filter((m) => m.type === "notify").length, 0);
});

test("notifications can be switched off", async () => {
  const { event, set, told } = await atWork();
  await set({ notifications: { rewards: false, penalties: false, trouble: false } });
  const penalised = { type: "penalised", task: "5", reason: "timeout", amount: "5", holding_after: "-5" } as const;
  await event({ type: "notice", height: "82", notice: penalised });
  await event({ type: "node-fault", detail: "x" });
  assert.deepEqual(told.filter((m) => m.type === "notify"), []);
});

test("views come at most four times a second", async () => {
  const { engine, views, time, act, workers } = await atWork();
  engine.watch();
  await act(start());
  const before = views.length;
  for (let i = 0; i < 100; i += 1) {
    workers[0]?.say({ type: "progress", task: "5", attempt: 1, stage: "fold", permille: i, memory_bytes: 1 });
    await time.pass(20);
  }
  assert.ok(views.length - before <= 9, String(views.length - before));
  assert.ok(views.length - before >= 7, String(views.length - before));
});

test("the account shows accrued less debt", async () => {
  const { event, engine } = await atWork();
  const account = { height: "9", standing: "active", balance: "7", accrued: "0", debt: "50", bond: "0" } as const;
  const trust = { consecutive_valid: 3, slots: 1, next_slot_at: 10, accepted: "3", failed: "1" };
  await event({ type: "account", account: { ...account, ...trust } });
  assert.equal(engine.view().account?.holding, "-50");
  assert.equal(engine.view().account?.balance, "7");
});
