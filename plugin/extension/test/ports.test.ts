import assert from "node:assert/strict";
import test from "node:test";
import type { Command, UiMessage } from "../src/messages";
import { type PortLike, Ports } from "../src/ports";
import type { Sender } from "../src/sender";
import { TroubleError } from "../src/trouble";
import { settle } from "./fakes";

const ID = "abcdef";
const ROOT = `chrome-extension://${ID}/`;

class FakePort implements PortLike {
  posted: UiMessage[] = [];
  isDisconnected = false;
  #message: (message: unknown) => void = () => undefined;
  #gone: () => void = () => undefined;
  onMessage = { addListener: (l: (message: unknown) => void) => void (this.#message = l) };
  onDisconnect = { addListener: (l: () => void) => void (this.#gone = l) };

  constructor(
    readonly name = "ui",
    readonly sender: Sender = { id: ID, url: `${ROOT}popup.html` },
  ) {}

  postMessage(message: UiMessage): void {
    if (this.isDisconnected) throw new Error("disconnected");
    this.posted.push(message);
  }
  disconnect(): void {
    this.isDisconnected = true;
  }
  send(message: unknown): void {
    this.#message(message);
  }
  leave(): void {
    this.#gone();
  }
}

function world(run: (command: Command) => Promise<string | undefined> = async () => undefined) {
  const commands: Command[] = [];
  const seen: string[] = [];
  const ports = new Ports({
    id: ID,
    root: ROOT,
    hardwareThreads: 4,
    wallMs: () => 5,
    command: (command) => {
      commands.push(command);
      return run(command);
    },
    onOpen: () => seen.push("open"),
    onClose: () => seen.push("close"),
  });
  return { ports, commands, seen };
}

test("commands are done and answered", async () => {
  const { ports, commands, seen } = world(async (command) => (command.type === "export-wallet" ? "0x01" : undefined));
  const port = new FakePort();
  ports.accept(port);
  port.send({ id: 1, command: { type: "pause" } });
  port.send({ id: 2, command: { type: "export-wallet", passphrase: "x" } });
  await settle();
  assert.deepEqual(
    commands.map((command) => command.type),
    ["pause", "export-wallet"],
  );
  assert.deepEqual(port.posted, [
    { type: "reply", id: 1, ok: true },
    { type: "reply", id: 2, ok: true, secret: "0x01" },
  ]);
  port.leave();
  assert.deepEqual(seen, ["open", "close"]);
});

test("what goes wrong is answered with its code", async () => {
  const { ports } = world(async () => Promise.reject(new TroubleError("wrong-passphrase", "no")));
  const port = new FakePort();
  ports.accept(port);
  port.send({ id: 1, command: { type: "unlock", passphrase: "x" } });
  port.send({ id: 2, command: { type: "set", settings: { nodes: ["http://x"] } } });
  await settle();
  const codes = port.posted.map((m) => (m.type === "reply" && !m.ok ? [m.id, m.trouble.code] : m));
  assert.deepEqual(codes.sort(), [
    [1, "wrong-passphrase"],
    [2, "bad-settings"],
  ]);
});

test("what is nobody's fault but ours is not called the settings'", async () => {
  const { ports } = world(async () => Promise.reject(new TypeError("bug")));
  const port = new FakePort();
  ports.accept(port);
  port.send({ id: 1, command: { type: "pause" } });
  await settle();
  assert.deepEqual(port.posted, [
    { type: "reply", id: 1, ok: false, trouble: { code: "prover-failed", detail: "bug", at_ms: 5 } },
  ]);
});

test("a web page, another extension, another port: nobody answers and nothing is done", async () => {
  const { ports, commands, seen } = world();
  const strangers = [
    new FakePort("ui", { id: ID, url: "https://evil.example/popup.html" }),
    new FakePort("ui", { id: "other", url: "chrome-extension://other/popup.html" }),
    new FakePort("ui", { id: ID }),
    new FakePort("engine"),
  ];
  for (const port of strangers) {
    ports.accept(port);
    port.send({ id: 1, command: { type: "export-wallet", passphrase: "x" } });
  }
  await settle();
  assert.deepEqual(commands, []);
  assert.deepEqual(seen, []);
  assert.deepEqual(strangers.flatMap((port) => port.posted), []);
  assert.deepEqual(
    strangers.map((port) => port.isDisconnected),
    [true, true, true, false],
  );
});

test("unknown messages are ignored", async () => {
  const { ports, commands } = world();
  const port = new FakePort();
  ports.accept(port);
  for (const message of [null, "x", { id: 1 }, { id: 2, command: { type: "sign" } }]) port.send(message);
  await settle();
  assert.deepEqual(commands, []);
  assert.deepEqual(port.posted, []);
});

test("a port that went without a word is forgotten", () => {
  const { ports, seen } = world();
  const port = new FakePort();
  ports.accept(port);
  port.disconnect();
  ports.publish({} as Parameters<Ports["publish"]>[0]);
  port.leave();
  assert.deepEqual(seen, ["open", "close"]);
  assert.equal(ports.count, 0);
});
