// Checks the unpacked extension and packs it.
// Usage: node pack.mjs EXTENSION ZIP
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { filesOf } from './files.mjs';
import { problems } from './rules.mjs';
import { zip } from './zip.mjs';

const root = resolve(import.meta.dirname, '../../..');
const [folder, target] = process.argv.slice(2);
if (!folder || !target) {
  console.error('usage: node pack.mjs EXTENSION ZIP');
  process.exit(2);
}
const files = filesOf(folder);
const found = problems(files, {
  privacy: readFileSync(join(root, 'plugin/PRIVACY.md'), 'utf8'),
  paths: [root, `${homedir()}/`, `${tmpdir()}/`].filter((path) => path.length > 2),
});
if (found.length) {
  console.error(`the extension would not pass a store:\n  ${found.join('\n  ')}`);
  process.exit(1);
}
const bytes = zip(files);
writeFileSync(target, bytes);
const wasm = files.find((file) => file.name.endsWith('.wasm'));
console.log(
  `${target}: ${files.length} files, ${bytes.length} bytes, sha256 ${createHash('sha256').update(bytes).digest('hex')}; ` +
    `WebAssembly ${wasm.bytes.length} bytes, ${gzipSync(wasm.bytes, { level: 9 }).length} gzipped`,
);
