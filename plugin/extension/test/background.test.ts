import assert from "node:assert/strict";
import test from "node:test";
import { Background, type BrowserLike } from "../src/background";
import type { Sender } from "../src/sender";
import { settle } from "./fakes";

const ID = "abcdef";
const ROOT = `chrome-extension://${ID}/`;
const own: Sender = { id: ID, url: `${ROOT}offscreen.html` };

type OnMessage = (message: unknown, sender: Sender, answer: (value: unknown) => void) => boolean | undefined;

function world() {
  const listeners = new Map<string, ((...args: never[]) => unknown)[]>();
  const on = (name: string) => ({
    addListener: (listener: (...args: never[]) => unknown) => {
      listeners.set(name, [...(listeners.get(name) ?? []), listener]);
    },
  });
  const area = () => {
    const values = new Map<string, unknown>();
    return {
      values,
      get: async (key: string) => (values.has(key) ? { [key]: values.get(key) } : {}),
      set: async (more: Record<string, unknown>) => Object.entries(more).forEach(([k, v]) => values.set(k, v)),
      remove: async (key: string) => void values.delete(key),
    };
  };
  const state = {
    documents: 0,
    created: 0,
    closed: 0,
    answersPing: true,
    alarms: 0,
    sent: [] as unknown[],
    badge: [] as unknown[],
    notes: [] as unknown[],
    failCreate: false,
  };
  const session = area();
  const local = area();
  const browser = {
    runtime: {
      id: ID,
      getURL: (path: string) => ROOT + path,
      getContexts: async () => Array.from({ length: state.documents }, () => ({})),
      sendMessage: async (message: { type: string }) => {
        state.sent.push(message);
        if (state.documents === 0) throw new Error("nobody");
        return message.type === "ping" ? (state.answersPing ? true : new Promise(() => undefined)) : undefined;
      },
      onMessage: on("message"),
      onConnect: on("connect"),
      onStartup: on("startup"),
      onInstalled: on("installed"),
    },
    offscreen: {
      createDocument: async () => {
        if (state.failCreate) throw new Error("no");
        if (state.documents > 0) throw new Error("Only a single offscreen document may be created.");
        state.created += 1;
        await settle();
        state.documents += 1;
      },
      closeDocument: async () => {
        state.closed += 1;
        state.documents = 0;
      },
    },
    alarms: {
      get: async () => (state.alarms > 0 ? {} : undefined),
      create: async () => void (state.alarms += 1),
      onAlarm: on("alarm"),
    },
    idle: { setDetectionInterval: () => undefined, queryState: async () => "idle", onStateChanged: on("idle") },
    storage: { session, local },
    action: {
      setBadgeText: async (o: unknown) => void state.badge.push(o),
      setBadgeBackgroundColor: async () => undefined,
      setTitle: async () => undefined,
    },
    notifications: { create: async (id: string, o: { title: string }) => void state.notes.push([id, o.title]) },
  };
  const background = new Background(browser as unknown as BrowserLike, () => settle());
  const emit = (name: string, ...args: unknown[]): unknown[] =>
    (listeners.get(name) ?? []).map((listener) => (listener as (...a: unknown[]) => unknown)(...args));
  const ask = (message: unknown, sender: Sender = own): Promise<unknown> | undefined => {
    let resolve: (value: unknown) => void = () => undefined;
    const answer = new Promise((r) => {
      resolve = r;
    });
    const [waits] = (listeners.get("message") ?? []).map((l) => (l as unknown as OnMessage)(message, sender, resolve));
    return waits === true ? answer : undefined;
  };
  return { state, session, local, background, emit, ask };
}

test("however many ask at once, one document is made", async () => {
  const { state, background } = world();
  const made = await Promise.all([background.revive(), background.ensureDocument(), background.ensureDocument()]);
  assert.equal(made.length, 3);
  assert.equal(state.created, 1);
  await background.ensureDocument();
  assert.equal(state.created, 1);
});

test("a document that an earlier life makes at the same time is no error", async () => {
  const { state, background } = world();
  const create = background.ensureDocument();
  state.documents = 1;
  assert.equal(await create, false);
});

test("a document that cannot be made is an error", async () => {
  const { state, background } = world();
  state.failCreate = true;
  await assert.rejects(background.ensureDocument());
});

test("start of browser, installation and alarm revive the engine", async () => {
  for (const [event, argument] of [
    ["startup", undefined],
    ["installed", {}],
    ["alarm", { name: "revive" }],
  ] as const) {
    const { state, background, emit } = world();
    background.listen();
    emit(event, argument);
    await settle();
    await settle();
    assert.equal(state.documents, 1, event);
  }
});

test("a popup wakes the engine, and its port is left to the engine", async () => {
  const { state, background, ask, emit } = world();
  background.listen();
  assert.equal(await ask({ to: "service-worker", type: "wake" }, { id: ID, url: `${ROOT}popup.html` }), true);
  assert.equal(state.documents, 1);
  assert.deepEqual(emit("connect", {}), []);
});

test("the alarm is set once", async () => {
  const { state, background } = world();
  await background.revive();
  await background.revive();
  assert.equal(state.alarms, 1);
});

test("an engine that answers is left alone, one that hangs is made again", async () => {
  const { state, background } = world();
  await background.revive();
  await background.revive();
  assert.equal(state.closed, 0);
  state.answersPing = false;
  await Promise.all([background.revive(), background.revive()]);
  assert.equal(state.closed, 1);
  assert.equal(state.created, 2);
  assert.equal(state.documents, 1);
});

test("the idle state goes to the engine; nobody there is no error", async () => {
  const { state, background, emit } = world();
  background.listen();
  emit("idle", "locked");
  emit("idle", "asleep");
  await settle();
  assert.deepEqual(state.sent, [{ to: "engine", type: "idle-state", state: "locked" }]);
});

test("the secret is kept in the session's memory only, the encrypted key on disk", async () => {
  const { session, local, background, ask } = world();
  background.listen();
  await ask({ to: "service-worker", type: "keep-secret", secret: "0x01" });
  await ask({ to: "service-worker", type: "keep-wallet", wallet: { version: 1 } });
  assert.deepEqual([...session.values], [["secret", "0x01"]]);
  assert.deepEqual([...local.values], [["wallet", { version: 1 }]]);
  assert.deepEqual(await ask({ to: "service-worker", type: "hello" }), {
    secret: "0x01",
    wallet: { version: 1 },
    idle: "idle",
  });
  await ask({ to: "service-worker", type: "keep-secret", secret: null });
  await ask({ to: "service-worker", type: "keep-wallet", wallet: null });
  assert.equal(session.values.size + local.values.size, 0);
});

test("strangers get neither answer nor effect", async () => {
  const { state, session, background, ask } = world();
  await session.set({ secret: "0x01" });
  background.listen();
  const strangers: Sender[] = [
    { id: ID, url: "https://evil.example/" },
    { id: ID, url: `https://evil.example/?${ROOT}` },
    { id: "other", url: "chrome-extension://other/page.html" },
    { id: "other", url: `${ROOT}offscreen.html` },
    { id: ID },
    { url: `${ROOT}popup.html` },
  ];
  for (const sender of strangers) {
    for (const type of ["hello", "wake", "keep-secret", "badge"]) {
      assert.equal(ask({ to: "service-worker", type, secret: null, text: "x" }, sender), undefined);
    }
  }
  await settle();
  assert.equal(session.values.size, 1);
  assert.equal(state.created, 0);
  assert.deepEqual(state.badge, []);
});

test("messages that are unknown, or for somebody else, are ignored", () => {
  const { background, ask } = world();
  background.listen();
  for (const message of [null, 5, "hello", {}, { to: "engine", type: "ping" }, { to: "service-worker", type: "sign" }]) {
    assert.equal(ask(message), undefined);
  }
});

test("badge and notifications are shown, one of each kind", async () => {
  const { state, background, ask } = world();
  background.listen();
  await ask({ to: "service-worker", type: "badge", text: "!", title: "x", tone: "bad" });
  await ask({ to: "service-worker", type: "notify", kind: "rewards", title: "Proof accepted", message: "y" });
  assert.deepEqual(state.badge, [{ text: "!" }]);
  assert.deepEqual(state.notes, [["rewards", "Proof accepted"]]);
});
