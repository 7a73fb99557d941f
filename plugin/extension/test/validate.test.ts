import assert from "node:assert/strict";
import test from "node:test";
import { TroubleError } from "../src/trouble";
import { defaultSettings, parseRequest, parseSettings } from "../src/validate";

const good = { ...defaultSettings(8), nodes: ["wss://node.example/plugin"] };

test("default settings are valid", () => {
  assert.deepEqual(parseSettings(defaultSettings(8), 8), defaultSettings(8));
  assert.deepEqual(parseSettings(defaultSettings(1), 1), defaultSettings(1));
});

test("good settings are taken as they are", () => {
  const settings = { ...good, chain: `0x${"aB".repeat(32)}`, hours: { from: 22, to: 6 }, data_mb_per_day: 500 };
  assert.deepEqual(parseSettings(settings, 8), { ...settings, chain: `0x${"ab".repeat(32)}` });
});

test("unknown fields are dropped, equal nodes are one", () => {
  const nodes = ["wss://a.example/plugin", "wss://a.example/plugin"];
  const parsed = parseSettings({ ...good, nodes, surprise: 1 }, 8);
  assert.deepEqual(parsed.nodes, ["wss://a.example/plugin"]);
  assert.equal("surprise" in parsed, false);
});

const bad: [string, object][] = [
  ["a web page's address", { nodes: ["https://node.example"] }],
  ["a script", { nodes: ["javascript:alert(1)"] }],
  ["credentials", { nodes: ["wss://user:secret@node.example/"] }],
  ["a fragment", { nodes: ["wss://node.example/#x"] }],
  ["no address", { nodes: ["node"] }],
  ["a number", { nodes: [1] }],
  ["a long address", { nodes: [`wss://${"a".repeat(300)}.example`] }],
  ["too many nodes", { nodes: Array.from({ length: 9 }, (_, i) => `wss://n${i}.example/`) }],
  ["no list", { nodes: "wss://node.example" }],
  ["no thread", { threads: 0 }],
  ["more threads than there are", { threads: 9 }],
  ["half a thread", { threads: 1.5 }],
  ["too little memory", { memory_mb: 16 }],
  ["too much memory", { memory_mb: 5000 }],
  ["NaN", { memory_mb: Number.NaN }],
  ["a word for a flag", { on_battery: "yes" }],
  ["hours of no length", { hours: { from: 3, to: 3 } }],
  ["an hour that is none", { hours: { from: 3, to: 25 } }],
  ["no data at all", { data_mb_per_day: 0 }],
  ["a short chain", { chain: "0x12" }],
  ["an undefined chain", { chain: undefined }],
  ["no notifications", { notifications: null }],
];
for (const [name, change] of bad) {
  test(`refuses ${name}`, () => {
    assert.throws(() => parseSettings({ ...good, ...change }, 8), (e: unknown) => {
      return e instanceof TroubleError && e.code === "bad-settings";
    });
  });
}

test("only requests are requests", () => {
  assert.deepEqual(parseRequest({ id: 1, command: { type: "pause", extra: true } }, 8), {
    id: 1,
    command: { type: "pause" },
  });
  for (const message of [
    null,
    1,
    "pause",
    [],
    {},
    { id: 1 },
    { command: { type: "pause" } },
    { id: "1", command: { type: "pause" } },
    { id: 1, command: { type: "sign", digest: "0x" } },
    { id: 1, command: { type: "unlock" } },
    { id: 1, command: { type: "unlock", passphrase: 5 } },
    { id: 1, command: { type: "unlock", passphrase: "x".repeat(2000) } },
    { id: 1, command: null },
  ]) {
    assert.equal(parseRequest(message, 8), null, JSON.stringify(message));
  }
});
