import assert from "node:assert/strict";
import test from "node:test";
import { parseNodeUrl } from "../src/validate";
import { checkHours, checkNode, checkNumber, checkPassphrase, checkSecret, DEFAULT_NODE, strength } from "../src/ui/validate";

test("a node's address comes out in its normal form, which the engine takes", () => {
  const rows: [string, string][] = [
    [DEFAULT_NODE, DEFAULT_NODE],
    ["  ws://127.0.0.1:8545  ", "ws://127.0.0.1:8545/plugin"],
    ["WSS://Node.Example.org", "wss://node.example.org/plugin"],
    ["wss://node.example.org/x?y=1", "wss://node.example.org/x?y=1"],
  ];
  for (const [typed, expected] of rows) {
    const checked = checkNode(typed);
    assert.ok(checked.ok, typed);
    assert.equal(checked.value, expected);
    assert.equal(parseNodeUrl(checked.value), expected);
  }
});

test("what is no node's address is refused with a reason", () => {
  const rows: [string, RegExp][] = [
    ["", /Enter the address/],
    ["node", /not an address/],
    ["http://127.0.0.1:8545", /begin with ws/],
    ["wss://user:secret@node.example", /name or password/],
    ["wss://node.example/#a", /#/],
    [`wss://node.example/${"a".repeat(200)}`, /longer/],
  ];
  for (const [typed, why] of rows) {
    const checked = checkNode(typed);
    assert.ok(!checked.ok, typed);
    assert.match(checked.error, why);
  }
  assert.equal(checkNode(DEFAULT_NODE, [DEFAULT_NODE]).ok, false);
});

test("an open connection across the network is taken with a warning", () => {
  const note = (typed: string): string | undefined => {
    const checked = checkNode(typed);
    return checked.ok ? checked.note : assert.fail(typed);
  };
  for (const near of ["ws://localhost:1", "ws://10.0.0.3", "ws://192.168.1.2", "ws://172.16.0.1", "ws://[::1]:8545", "ws://box.local", "ws://box", "wss://node.example"]) {
    assert.equal(note(near), undefined, near);
  }
  for (const far of ["ws://node.example", "ws://8.8.8.8", "ws://172.32.0.1"]) assert.match(note(far) ?? "", /not encrypted/, far);
});

test("numbers stay in their range", () => {
  assert.deepEqual(checkNumber(" 4 ", 1, 8, "threads"), { ok: true, value: 4 });
  for (const typed of ["", "0", "9", "1.5", "x", "1e9"]) assert.equal(checkNumber(typed, 1, 8, "threads").ok, false, typed);
});

test("secret keys are taken with and without 0x", () => {
  const digits = "aB".repeat(32);
  for (const typed of [digits, `0x${digits}`, `  0X${digits}\n`]) assert.deepEqual(checkSecret(typed), { ok: true, value: "0x" + "ab".repeat(32) });
  for (const typed of ["", digits.slice(1), digits + "0", "g".repeat(64)]) assert.equal(checkSecret(typed).ok, false);
});

test("a passphrase is typed twice the same", () => {
  assert.deepEqual(checkPassphrase("short", "short"), { first: "Use at least 8 characters", again: null });
  assert.deepEqual(checkPassphrase("long enough", "long enouhg"), { first: null, again: "The two are not the same" });
  assert.deepEqual(checkPassphrase("long enough", "long enough"), { first: null, again: null });
});

test("the strength hint ranks what people type", () => {
  const rows: [string, number][] = [
    ["abc", 0],
    ["aaaaaaaaaaaa", 1],
    ["12345678", 1],
    ["password", 1],
    ["Tr0ub4dor&3", 2],
    ["seven copper kettles sing", 3],
    ["x9#Lq2!vB7$kP0", 3],
  ];
  for (const [typed, level] of rows) assert.equal(strength(typed).level, level, typed);
});

test("hours are two different ones", () => {
  assert.equal(checkHours(22, 7).ok, true);
  for (const [from, to] of [[7, 7], [-1, 7], [7, 24], [1.5, 2]] as const) assert.equal(checkHours(from, to).ok, false);
});
