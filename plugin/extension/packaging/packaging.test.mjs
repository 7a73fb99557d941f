// Each rule turns red for what it forbids; the zip is the same twice and is read by others.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, mkdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { filesOf } from './files.mjs';
import { MAX_WASM_GZIP, problems } from './rules.mjs';
import { zip } from './zip.mjs';
import { crc32 } from './crc32.mjs';

const PRIVACY = '| Permission | Why |\n|---|---|\n| `offscreen` | to prove |\n| `storage` | to keep |\n';

function png(size) {
  const bytes = Buffer.alloc(33);
  bytes.write('\x89PNG\r\n\x1a\n', 0, 'latin1');
  bytes.writeUInt32BE(size, 16);
  bytes.writeUInt32BE(size, 20);
  return bytes;
}

function manifest(change = {}) {
  const icons = Object.fromEntries([16, 32, 48, 128].map((size) => [size, `icons/${size}.png`]));
  return JSON.stringify({
    manifest_version: 3,
    name: 'n',
    description: 'd',
    version: '0.1.0',
    minimum_chrome_version: '116',
    permissions: ['offscreen', 'storage'],
    background: { service_worker: 'sw.js', type: 'module' },
    action: { default_popup: 'popup.html', default_icon: icons },
    options_page: 'popup.html',
    icons,
    content_security_policy: {
      extension_pages:
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; object-src 'none'; connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    },
    cross_origin_embedder_policy: { value: 'require-corp' },
    cross_origin_opener_policy: { value: 'same-origin' },
    ...change,
  });
}

function good() {
  return {
    'manifest.json': manifest(),
    'sw.js': "import './a.js'; const ns = 'http://www.w3.org/2000/svg';\n// See https://example.org\n",
    'a.js': 'const isFunction = (f) => f instanceof Function;\n',
    'popup.html': '<!doctype html><link rel="stylesheet" href="s.css"><script type="module" src="sw.js"></script>',
    's.css': 'p { color: red }',
    'wasm/x_bg.wasm': Buffer.from('\0asm\x01\0\0\0', 'latin1'),
    ...Object.fromEntries([16, 32, 48, 128].map((size) => [`icons/${size}.png`, png(size)])),
  };
}

function folder(t, files) {
  const dir = mkdtempSync(join(tmpdir(), 'crowdfold-pack-'));
  t.after(() => rmSync(dir, { recursive: true }));
  for (const [name, bytes] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), bytes);
  }
  return dir;
}

const check = (dir) => problems(filesOf(dir), { privacy: PRIVACY, paths: ['/home/somebody/'] });

test('a good extension has no problems', (t) => {
  assert.deepEqual(check(folder(t, good())), []);
});

const CSP = (text) => ({ content_security_policy: { extension_pages: text } });
const BAD = {
  'another permission': [{ 'manifest.json': manifest({ permissions: ['offscreen', 'storage', 'tabs'] }) }, /permissions/],
  'a permission less': [{ 'manifest.json': manifest({ permissions: ['offscreen'] }) }, /permissions/],
  'host permissions': [{ 'manifest.json': manifest({ host_permissions: ['<all_urls>'] }) }, /host_permissions/],
  'content scripts': [{ 'manifest.json': manifest({ content_scripts: [] }) }, /content_scripts/],
  'pages that may connect': [{ 'manifest.json': manifest({ externally_connectable: {} }) }, /externally_connectable/],
  'resources for pages': [{ 'manifest.json': manifest({ web_accessible_resources: [] }) }, /web_accessible/],
  'another manifest version': [{ 'manifest.json': manifest({ manifest_version: 2 }) }, /manifest_version/],
  'a long description': [{ 'manifest.json': manifest({ description: 'x'.repeat(133) }) }, /description/],
  'a version with letters': [{ 'manifest.json': manifest({ version: '1.0-beta' }) }, /version/],
  'no policy': [{ 'manifest.json': manifest({ content_security_policy: {} }) }, /without script-src/],
  'unsafe-eval': [{ 'manifest.json': manifest(CSP("script-src 'self' 'unsafe-eval'; object-src 'none'")) }, /unsafe-eval/],
  'a remote source': [{ 'manifest.json': manifest(CSP("script-src 'self' https://a.example; object-src 'none'")) }, /a.example/],
  'connections to everywhere': [{ 'manifest.json': manifest(CSP('connect-src *')) }, /connect-src \*/],
  'no isolation': [{ 'manifest.json': manifest({ cross_origin_opener_policy: undefined }) }, /opener/],
  'no icon': [{ 'icons/48.png': png(47) }, /48 pixels/],
  'a missing page': [{ 'manifest.json': manifest({ options_page: 'o.html' }) }, /o.html is named/],
  eval: [{ 'a.js': 'eval("1")' }, /eval/],
  'code of text': [{ 'a.js': 'const f = new Function("return this");' }, /Function/],
  'code of text, called': [{ 'a.js': 'const f = (Function("return this"))();' }, /Function/],
  'a timer with text': [{ 'a.js': 'setTimeout("a()", 1)' }, /timer/],
  'a remote import': [{ 'a.js': 'await import("https://a.example/x.js")' }, /remote import/],
  'an address': [{ 'a.js': 'fetch("https://a.example/")' }, /a.example/],
  'a blob import': [{ 'a.js': 'import("blob:x")' }, /remote import/],
  'a script element': [{ 'a.js': 'document.createElement("script")' }, /script element/],
  'a source map': [{ 'a.js': '//# sourceMappingURL=a.js.map' }, /source map/],
  'an inline script': [{ 'popup.html': '<script>alert(1)</script>' }, /inline script/],
  'an inline handler': [{ 'popup.html': '<p onclick="x()">' }, /onclick/],
  'a remote script': [{ 'popup.html': '<script src="https://a.example/x.js"></script>' }, /not in the extension/],
  'a frame': [{ 'popup.html': '<iframe src="x"></iframe>' }, /frames/],
  'a remote style': [{ 's.css': '@import "https://a.example/x.css"' }, /remote style/],
  'two modules': [{ 'wasm/y.wasm': Buffer.from('\0asm', 'latin1') }, /2 WebAssembly/],
  'no WebAssembly': [{ 'wasm/x_bg.wasm': 'text' }, /not WebAssembly/],
  'this machine': [{ 'a.js': '// /home/somebody/src/lib.rs' }, /names \/home/],
  declarations: [{ 'a.d.ts': '' }, /kind of file/],
  'a hidden file': [{ '.env.json': '' }, /hidden/],
};
for (const [name, [change, message]] of Object.entries(BAD)) {
  test(`refuses ${name}`, (t) => {
    const found = check(folder(t, { ...good(), ...change }));
    assert.ok(found.some((line) => message.test(line)), `found ${JSON.stringify(found)}`);
  });
}

test('refuses a module that is too heavy, and a link', (t) => {
  let state = 1;
  const noise = Buffer.from({ length: MAX_WASM_GZIP + 1000 }).map(() => (state = (state * 48_271) % 2_147_483_647) & 0xff);
  const dir = folder(t, { ...good(), 'wasm/x_bg.wasm': Buffer.concat([Buffer.from('\0asm', 'latin1'), noise]) });
  symlinkSync('/etc/hostname', join(dir, 'link.js'));
  const found = check(dir);
  assert.ok(found.some((line) => /gzipped/.test(line)), `found ${found}`);
  assert.ok(found.some((line) => /link.js: neither/.test(line)), `found ${found}`);
});

test('the zip depends on names and bytes only, and other programs read it', (t) => {
  const [first, second] = [folder(t, good()), folder(t, Object.fromEntries(Object.entries(good()).reverse()))];
  utimesSync(join(second, 'a.js'), 1, 1);
  const bytes = zip(filesOf(first));
  assert.ok(bytes.equals(zip(filesOf(second))));
  assert.equal(crc32(Buffer.from('123456789')), 0xcbf4_3926);
  const dir = folder(t, { 'x.zip': bytes });
  try {
    execFileSync('unzip', ['-v'], { stdio: 'ignore' });
  } catch {
    return;
  }
  execFileSync('unzip', ['-q', 'x.zip', '-d', 'out'], { cwd: dir });
  const read = filesOf(join(dir, 'out'));
  assert.deepEqual(read.map((f) => f.name), filesOf(first).map((f) => f.name));
  assert.ok(read.every((f, i) => f.bytes.equals(filesOf(first)[i].bytes)));
});
