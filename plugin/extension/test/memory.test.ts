import assert from "node:assert/strict";
import test from "node:test";
import { importedMemory, memoryFor } from "../src/memory";

const name = (text: string): number[] => [text.length, ...Buffer.from(text)];
/** A module whose import section has these entries. */
function moduleWith(...imports: number[][]): Uint8Array<ArrayBuffer> {
  const body = [imports.length, ...imports.flat()];
  // A custom section first, as compilers like to write.
  return Uint8Array.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 0, 3, 1, 0x78, 0, 2, body.length, ...body]);
}
/** Shared, 20 to 65536 pages. */
const memory = [...name("wbg"), ...name("memory"), 2, 3, 20, 0x80, 0x80, 4];
const global = [...name("env"), ...name("g"), 3, 0x7f, 0];
const table = [...name("env"), ...name("t"), 1, 0x70, 1, 1, 5];

test("the limits are found among other imports", () => {
  assert.deepEqual(importedMemory(moduleWith(global, table, memory)), { min: 20, max: 65_536 });
  assert.equal(importedMemory(moduleWith(global)), null);
});

test("the memory has the user's limit, and the browser holds it", () => {
  const given = memoryFor(moduleWith(memory), 512);
  assert.equal(given.buffer.byteLength, 20 * 65_536);
  assert.ok(given.buffer instanceof SharedArrayBuffer);
  given.grow(8_192 - 20);
  assert.throws(() => given.grow(1));
});

test("the given memory fits the module", async () => {
  const bytes = moduleWith(memory);
  const imports = { wbg: { memory: memoryFor(bytes, 64) } };
  await WebAssembly.instantiate(bytes, imports);
});

test("less than the module needs is refused", () => {
  assert.throws(() => memoryFor(moduleWith(memory), 1), RangeError);
  assert.throws(() => memoryFor(moduleWith(global), 512), RangeError);
});

test("a module that ends early is refused", () => {
  const bytes = moduleWith(memory);
  assert.throws(() => importedMemory(bytes.slice(0, bytes.length - 6)), RangeError);
});
