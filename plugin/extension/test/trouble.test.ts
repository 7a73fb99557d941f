import assert from "node:assert/strict";
import test from "node:test";
import { isTrap } from "../src/trouble";

test("a module's trap is told from what is merely thrown", () => {
  // (module (func (export "f") unreachable))
  const head = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
  const sections = [0x01, 0x04, 0x01, 0x60, 0, 0, 0x03, 0x02, 0x01, 0, 0x07, 0x05, 0x01, 0x01, 0x66, 0, 0];
  const code = [0x0a, 0x05, 0x01, 0x03, 0, 0x00, 0x0b];
  const module = new WebAssembly.Module(Uint8Array.from([...head, ...sections, ...code]));
  const { f } = new WebAssembly.Instance(module).exports as unknown as { f: () => void };
  assert.throws(f, isTrap);
  assert.equal(isTrap(new Error("unreachable")), false);
  assert.equal(isTrap("unreachable"), false);
});
