import assert from "node:assert/strict";
import test from "node:test";
import { Clock } from "../src/clock";
import { FRAME_BYTES_MAX, Link } from "../src/link";
import type { Action, Core } from "../src/wasm";
import { FakeSocket, FakeTime } from "./fakes";

/** A core that says what it is told and does what the test scripts. */
class ScriptedCore {
  heardOf: string[] = [];
  pending: Action[] = [];
  wakeup: number | undefined;
  /** What a call leads to, by its name. */
  reactions = new Map<string, Action[]>();

  #call(name: string, detail = ""): void {
    this.heardOf.push(`${name}${detail}`);
    this.pending.push(...(this.reactions.get(name) ?? []));
  }
  connected(): void {
    this.#call("connected");
  }
  disconnected(): void {
    this.#call("disconnected");
  }
  tick(): void {
    this.#call("tick");
  }
  receive(_: number, bytes: Uint8Array): void {
    this.#call("receive", ` ${bytes.join()}`);
  }
  next_wakeup_ms(): number | undefined {
    return this.wakeup;
  }
  actions(): Action[] {
    const actions = this.pending;
    this.pending = [];
    return actions;
  }
}

function world(nodes = ["ws://a/", "ws://b/"]) {
  const time = new FakeTime();
  const core = new ScriptedCore();
  const sockets: FakeSocket[] = [];
  const done: string[] = [];
  const faults: string[] = [];
  let bytes = 0;
  const link = new Link({
    core: core as unknown as Core,
    clock: new Clock(
      () => time.now,
      () => time.now,
    ),
    timers: time,
    dial: (url) => {
      if (url.includes("refused")) throw new Error("refused");
      const socket = new FakeSocket(url);
      sockets.push(socket);
      return socket;
    },
    nodes,
    perform: (action) => done.push(action.type),
    onBytes: (n) => {
      bytes += n;
    },
    onFault: (detail) => faults.push(detail),
    onChange: () => undefined,
  });
  const last = (): FakeSocket => sockets.at(-1) ?? assert.fail("no socket");
  const connect = (): FakeSocket => {
    core.pending.push({ type: "connect" });
    link.settle();
    return last();
  };
  return { time, core, sockets, done, faults, link, last, connect, bytes: () => bytes };
}

const send = (...bytes: number[]): Action => ({ type: "send", bytes: Uint8Array.from(bytes) });
const event: Action = { type: "event", event: { type: "node-fault", detail: "" } };
const cancel: Action = { type: "cancel-work", task: "1", attempt: 1 };

test("actions are done in their order, also those that actions lead to", () => {
  const { core, link, connect, done } = world();
  const socket = connect();
  socket.open();
  core.reactions.set("tick", [send(1), event, send(2), cancel, send(3)]);
  link.tick();
  assert.deepEqual(
    socket.sent.map((bytes) => bytes[0]),
    [1, 2, 3],
  );
  assert.deepEqual(done, ["event", "cancel-work"]);
});

test("a core that is told something while its actions are done keeps the order", () => {
  const time = new FakeTime();
  const core = new ScriptedCore();
  const order: string[] = [];
  const link: Link = new Link({
    core: core as unknown as Core,
    clock: new Clock(
      () => time.now,
      () => time.now,
    ),
    timers: time,
    dial: () => assert.fail("no connection is asked for"),
    nodes: ["ws://a/"],
    perform: (action) => {
      order.push(action.type);
      if (action.type === "event") link.tell((c) => c.connected(0));
    },
    onBytes: () => undefined,
    onFault: () => undefined,
    onChange: () => undefined,
  });
  core.reactions.set("tick", [event, cancel]);
  core.reactions.set("connected", [{ type: "finished", outcome: { type: "stopped", open: 0 } }]);
  link.tick();
  assert.deepEqual(order, ["event", "cancel-work", "finished"]);
});

test("what is received reaches the core, and bytes are counted both ways", () => {
  const { core, link, connect, bytes } = world();
  const socket = connect();
  assert.equal(socket.binaryType, "arraybuffer");
  socket.open();
  socket.receive(Uint8Array.of(7, 8).buffer);
  core.pending.push(send(1, 2, 3));
  link.settle();
  assert.deepEqual(core.heardOf, ["connected", "receive 7,8"]);
  assert.equal(bytes(), 5);
});

test("nodes are tried in turn until one lets the plugin in", () => {
  const { sockets, link, connect } = world(["ws://a/", "ws://b/"]);
  connect().drop();
  connect().open();
  link.loggedIn();
  sockets[1]?.drop();
  connect().drop();
  connect();
  assert.deepEqual(
    sockets.map((s) => s.url),
    ["ws://a/", "ws://b/", "ws://b/", "ws://a/"],
  );
});

test("a node that speaks but never lets in is left for the next", () => {
  const { sockets, core, connect, link } = world();
  const first = connect();
  first.open();
  first.receive(Uint8Array.of(1).buffer);
  core.pending.push({ type: "disconnect" });
  link.settle();
  connect();
  assert.deepEqual(
    sockets.map((s) => s.url),
    ["ws://a/", "ws://b/"],
  );
});

test("a node that is blamed is left although it had let in", () => {
  const { link, connect } = world();
  connect().open();
  link.loggedIn();
  link.blame();
  assert.equal(connect().url, "ws://b/");
});

test("an address that the browser refuses is a failed connection", () => {
  const { core, connect, link, sockets } = world(["ws://refused/", "ws://b/"]);
  core.pending.push({ type: "connect" });
  link.settle();
  assert.deepEqual(core.heardOf, ["disconnected"]);
  assert.equal(connect().url, "ws://b/");
  assert.equal(sockets.length, 1);
});

test("a connection that does not open in time has failed", async () => {
  const { core, connect, time } = world();
  const socket = connect();
  await time.pass(9_000);
  assert.equal(socket.isClosed, false);
  await time.pass(2_000);
  assert.equal(socket.isClosed, true);
  assert.ok(core.heardOf.includes("disconnected"));
});

test("an old connection's events are nobody's", () => {
  const { core, connect } = world();
  const old = connect();
  old.open();
  connect().open();
  assert.equal(old.isClosed, true);
  core.heardOf = [];
  old.receive(Uint8Array.of(1).buffer);
  old.drop();
  old.onerror?.(new Event("error"));
  assert.deepEqual(core.heardOf, []);
});

test("a frame above the limit ends the connection and never reaches the core", () => {
  const { core, faults, connect } = world();
  const socket = connect();
  socket.open();
  socket.receive(new ArrayBuffer(FRAME_BYTES_MAX));
  core.heardOf = core.heardOf.map((call) => call.slice(0, 12));
  socket.receive(new ArrayBuffer(FRAME_BYTES_MAX + 1));
  assert.deepEqual(core.heardOf, ["connected", "receive 0,0,", "disconnected"]);
  assert.equal(socket.isClosed, true);
  assert.equal(faults.length, 1);
});

test("text ends the connection", () => {
  const { core, faults, connect } = world();
  const socket = connect();
  socket.open();
  socket.receive("hello");
  assert.deepEqual(core.heardOf, ["connected", "disconnected"]);
  assert.equal(faults.length, 1);
});

test("a connection that takes nothing is given up", () => {
  const { core, link, connect } = world();
  const socket = connect();
  socket.open();
  socket.bufferedAmount = 1 << 30;
  core.pending.push(send(1));
  link.settle();
  assert.deepEqual(socket.sent, []);
  assert.deepEqual(core.heardOf, ["connected", "disconnected"]);
});

test("it wakes when the core wants, and at least every two seconds", async () => {
  const { core, time, link } = world();
  core.wakeup = time.now + 500;
  link.start();
  core.wakeup = time.now + 3_600_000;
  core.heardOf = [];
  await time.pass(499);
  assert.deepEqual(core.heardOf, []);
  await time.pass(1);
  assert.deepEqual(core.heardOf, ["tick"]);
  await time.pass(2_000);
  assert.deepEqual(core.heardOf, ["tick", "tick"]);
});

test("after a sleep the core hears of the time that passed", async () => {
  const time = new FakeTime();
  let told = 0;
  const core = new ScriptedCore();
  core.tick = function tick(this: ScriptedCore, now?: number): void {
    told = now ?? 0;
  } as ScriptedCore["tick"];
  let ran = 0;
  const link = new Link({
    core: core as unknown as Core,
    clock: new Clock(
      () => time.now,
      () => ran,
    ),
    timers: time,
    dial: () => assert.fail(),
    nodes: ["ws://a/"],
    perform: () => undefined,
    onBytes: () => undefined,
    onFault: () => undefined,
    onChange: () => undefined,
  });
  link.start();
  const before = told;
  ran += 10;
  await time.sleep(8 * 3_600_000);
  assert.equal(told - before, 8 * 3_600_000);
});

test("a network that went takes the connection with it", () => {
  const { core, link, connect } = world();
  link.offline();
  assert.deepEqual(core.heardOf, []);
  connect().open();
  link.offline();
  assert.deepEqual(core.heardOf, ["connected", "disconnected"]);
});

test("closed, it says and does nothing more", async () => {
  const { core, link, connect, time } = world();
  const socket = connect();
  socket.open();
  link.close();
  assert.equal(socket.isClosed, true);
  core.heardOf = [];
  socket.drop();
  link.tick();
  await time.pass(60_000);
  assert.deepEqual(core.heardOf, []);
});
