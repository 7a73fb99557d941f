import assert from "node:assert/strict";
import test, { mock } from "node:test";
import { STATES } from "../e2e/mock/states";
import type { Request, UiMessage, View } from "../src/messages";
import { EnginePort } from "../src/ui/port";

type Listener = (value: never) => void;

/** One end of a port; the test plays the other. */
class FakePort {
  readonly sent: Request[] = [];
  closed = false;
  #message: Listener[] = [];
  #disconnect: Listener[] = [];
  readonly onMessage = { addListener: (listener: Listener) => void this.#message.push(listener) };
  readonly onDisconnect = { addListener: (listener: Listener) => void this.#disconnect.push(listener) };
  postMessage(request: Request): void {
    this.sent.push(request);
  }
  disconnect(): void {
    this.closed = true;
  }
  say(message: UiMessage): void {
    for (const listener of this.#message) listener(message as never);
  }
  drop(): void {
    for (const listener of this.#disconnect) listener(undefined as never);
  }
}

const view = STATES["proving"]?.(0) ?? assert.fail();

/** A port client under a clock that stands still, with all ports that it opened and views that it told. */
function world(): { ports: FakePort[]; views: (View | null)[]; client: EnginePort; wakes: () => number; pass: (ms: number) => Promise<void> } {
  mock.timers.enable({ apis: ["setTimeout"] });
  Object.assign(globalThis, { chrome: { runtime: {} } });
  const ports: FakePort[] = [];
  const views: (View | null)[] = [];
  let wakes = 0;
  const connect = (): chrome.runtime.Port => {
    const port = new FakePort();
    ports.push(port);
    return port as unknown as chrome.runtime.Port;
  };
  const wake = (): Promise<unknown> => {
    wakes += 1;
    return Promise.reject(new Error("asleep"));
  };
  const client = new EnginePort((next) => views.push(next), connect, wake);
  const pass = async (ms: number): Promise<void> => {
    mock.timers.tick(ms);
    for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  };
  return { ports, views, client, wakes: () => wakes, pass };
}

test.afterEach(() => mock.timers.reset());

test("views are handed on and replies find their command", async () => {
  const { ports, views, client } = world();
  ports[0]?.say({ type: "view", view });
  assert.deepEqual(views, [view]);
  const first = client.send({ type: "pause" });
  const second = client.send({ type: "lock" });
  const ids = ports[0]?.sent.map((request) => request.id) ?? [];
  ports[0]?.say({ type: "reply", id: ids[1] ?? 0, ok: true, secret: "0x01" });
  ports[0]?.say({ type: "reply", id: ids[0] ?? 0, ok: false, trouble: { code: "refused", detail: "d", at_ms: 1 } });
  assert.deepEqual(await second, { ok: true, secret: "0x01" });
  const refused = await first;
  assert.equal(refused.ok, false);
  assert.equal(refused.ok ? null : refused.trouble?.code, "refused");
});

test("a dropped port is told, wakes the service worker and is opened again", async () => {
  const { ports, views, wakes, pass } = world();
  ports[0]?.say({ type: "view", view });
  ports[0]?.drop();
  assert.equal(views[1], null);
  assert.equal(wakes(), 1);
  await pass(200);
  assert.equal(ports.length, 2);
  ports[1]?.say({ type: "view", view });
  assert.deepEqual(views[2], view);
});

test("a command on the way when the port drops ends, and none is sent before there is a view", async () => {
  const { ports, client } = world();
  assert.equal((await client.send({ type: "pause" })).ok, false);
  ports[0]?.say({ type: "view", view });
  const sent = client.send({ type: "pause" });
  ports[0]?.drop();
  assert.match((await sent as { message: string }).message, /restarted/);
});

test("a port on which nobody answers is given up", async () => {
  const { ports, pass } = world();
  await pass(1_500);
  assert.equal(ports[0]?.closed, true);
  await pass(200);
  assert.equal(ports.length, 2);
});

test("it goes on trying, more slowly, and an old port says nothing more", async () => {
  const { ports, views, pass } = world();
  for (let round = 0; round < 8; round++) {
    ports.at(-1)?.drop();
    await pass(2_000);
  }
  assert.equal(ports.length, 9);
  const told = views.length;
  ports[0]?.say({ type: "view", view });
  ports[0]?.drop();
  assert.equal(views.length, told);
});

test("a command without an answer ends after a while", async () => {
  const { ports, client, pass } = world();
  ports[0]?.say({ type: "view", view });
  const sent = client.send({ type: "pause" });
  await pass(20_000);
  assert.match((await sent as { message: string }).message, /did not answer/);
});
