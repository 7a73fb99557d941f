// What a web store checks, and what this extension promises, looked for in the unpacked files.
//
// Each rule gives lines that say what is wrong and where; none is good. The list of permissions is not kept here:
// PRIVACY.md is what users read, so the manifest has to ask for exactly what its table explains.
import { gzipSync } from 'node:zlib';

/** Most that the WebAssembly module may weigh, gzipped, in bytes. */
export const MAX_WASM_GZIP = 1_500_000;
/** Most that the whole extension may weigh, in bytes. */
export const MAX_TOTAL = 10_000_000;

const MANIFEST_KEYS = new Set([
  'action',
  'background',
  'content_security_policy',
  'cross_origin_embedder_policy',
  'cross_origin_opener_policy',
  'description',
  'icons',
  'manifest_version',
  'minimum_chrome_version',
  'name',
  'options_page',
  'permissions',
  'version',
]);
const ICONS = ['16', '32', '48', '128'];
const KINDS = ['.html', '.css', '.js', '.wasm', '.png', '.json'];
const CSP = {
  'default-src': [["'none'"], ["'self'"]],
  'script-src': [["'self'", "'wasm-unsafe-eval'"]],
  'worker-src': [["'self'"]],
  'object-src': [["'none'"], ["'self'"]],
  'style-src': [["'self'"]],
  'img-src': [["'self'"], ["'self'", 'data:']],
  'font-src': [["'self'"], ["'none'"]],
  'connect-src': [["'self'", 'ws:', 'wss:']],
  'base-uri': [["'none'"]],
  'form-action': [["'none'"]],
  'frame-ancestors': [["'none'"]],
};
/** Directives that must be there: what they fall back to would be wider. */
const CSP_NEEDED = ['script-src', 'object-src', 'connect-src', 'base-uri', 'form-action', 'frame-ancestors'];

/**
 * Everything that is wrong.
 * @param {{name: string, bytes: Buffer | null}[]} files as `filesOf` gives them
 * @param {{privacy: string, paths: string[]}} context the text of PRIVACY.md; folders of this machine that no file may name
 */
export function problems(files, { privacy, paths }) {
  const texts = new Map();
  const bad = [];
  for (const { name, bytes } of files) {
    if (bytes === null) bad.push(`${name}: neither file nor folder`);
    else texts.set(name, bytes);
    if (name.split('/').some((part) => part.startsWith('.') || part.startsWith('_'))) bad.push(`${name}: hidden or reserved`);
    if (!KINDS.some((end) => name.endsWith(end))) bad.push(`${name}: a kind of file that has no business here`);
  }
  const total = [...texts.values()].reduce((sum, bytes) => sum + bytes.length, 0);
  if (total > MAX_TOTAL) bad.push(`${total} bytes are more than ${MAX_TOTAL}`);
  const of = (end) => [...texts].filter(([name]) => name.endsWith(end)).map(([name, b]) => [name, b.toString('utf8')]);
  return [
    ...bad,
    ...manifestProblems(texts, privacy),
    ...of('.html').flatMap(([name, text]) => htmlProblems(name, text, texts)),
    ...of('.css').flatMap(([name, text]) => (/@import|url\(\s*["']?(https?:)?\/\//.test(text) ? [`${name}: remote style`] : [])),
    ...of('.js').flatMap(([name, text]) => scriptProblems(name, text)),
    ...wasmProblems(texts),
    ...[...texts].flatMap(([name, bytes]) => paths.filter((p) => bytes.includes(p)).map((p) => `${name}: names ${p}`)),
  ];
}

function manifestProblems(texts, privacy) {
  const bytes = texts.get('manifest.json');
  if (!bytes) return ['manifest.json: missing'];
  let m;
  try {
    m = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    return [`manifest.json: ${error.message}`];
  }
  const bad = Object.keys(m).filter((key) => !MANIFEST_KEYS.has(key)).map((key) => `unexpected ${key}`);
  const say = (ok, what) => ok || bad.push(what);
  say(m.manifest_version === 3, 'manifest_version is not 3');
  say(typeof m.name === 'string' && m.name.length >= 1 && m.name.length <= 75, 'name is not of 1 to 75 characters');
  say(typeof m.description === 'string' && m.description.length >= 1 && m.description.length <= 132, 'description is not of 1 to 132 characters');
  const parts = String(m.version).split('.');
  say(parts.length <= 4 && parts.every((p) => /^(0|[1-9]\d{0,4})$/.test(p) && Number(p) <= 65_535), 'version is not up to four numbers');
  say(/^\d+$/.test(String(m.minimum_chrome_version)), 'minimum_chrome_version is missing');
  say(m.background?.type === 'module', 'the service worker is not a module');
  const explained = [...privacy.matchAll(/^\| `([a-zA-Z.]+)` \|/gm)].map((found) => found[1]).sort();
  const asked = [...(m.permissions ?? [])].sort();
  say(JSON.stringify(explained) === JSON.stringify(asked), `permissions are [${asked}], PRIVACY.md explains [${explained}]`);
  const named = [m.background?.service_worker, m.action?.default_popup, m.options_page, ...Object.values(m.icons ?? {}), ...Object.values(m.action?.default_icon ?? {})];
  for (const name of named) say(texts.has(name), `${name} is named and missing`);
  for (const size of ICONS) {
    const icon = texts.get(m.icons?.[size]);
    say(icon && pngSize(icon) === `${size}x${size}`, `there is no icon of ${size} pixels`);
  }
  say(m.cross_origin_embedder_policy?.value === 'require-corp', 'cross_origin_embedder_policy: no threads without it');
  say(m.cross_origin_opener_policy?.value === 'same-origin', 'cross_origin_opener_policy: no threads without it');
  const policy = m.content_security_policy ?? {};
  for (const key of Object.keys(policy)) say(key === 'extension_pages', `content_security_policy.${key}`);
  const directives = new Map(
    String(policy.extension_pages ?? '').split(';').map((d) => d.trim()).filter(Boolean).map((d) => {
      const [name, ...sources] = d.split(/\s+/);
      return [name, sources];
    }),
  );
  for (const name of CSP_NEEDED) say(directives.has(name), `content_security_policy without ${name}`);
  for (const [name, sources] of directives) {
    const allowed = (CSP[name] ?? []).some((list) => [...list].sort().join() === [...sources].sort().join());
    say(allowed, `content_security_policy: ${name} ${sources.join(' ')}`);
  }
  return bad.map((what) => `manifest.json: ${what}`);
}

/** Width and height of a PNG; null when it is none. */
function pngSize(bytes) {
  const isPng = bytes.length > 24 && bytes.subarray(0, 8).equals(Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'));
  return isPng ? `${bytes.readUInt32BE(16)}x${bytes.readUInt32BE(20)}` : null;
}

function htmlProblems(name, text, texts) {
  const bad = [];
  for (const [tag, attributes, body] of text.matchAll(/<script\b([^>]*)>([\s\S]*?)<\/script>/gi)) {
    if (!/\bsrc\s*=/.test(attributes) || body.trim()) bad.push(`${name}: inline script ${tag.slice(0, 40)}`);
  }
  for (const [, handler] of text.matchAll(/<[^>]+\s(on[a-z]+)\s*=/gi)) bad.push(`${name}: inline ${handler}`);
  if (/<(iframe|object|embed|base)\b/i.test(text)) bad.push(`${name}: frames, objects or a base`);
  const folder = name.includes('/') ? name.slice(0, name.lastIndexOf('/') + 1) : '';
  for (const [, , target] of text.matchAll(/<(script|link|img|source)\b[^>]*?\b(?:src|href)\s*=\s*["']([^"']*)["']/gi)) {
    const file = target.startsWith('/') ? target.slice(1) : folder + target;
    if (!texts.has(file)) bad.push(`${name}: ${target} is not in the extension`);
  }
  return bad;
}

/** Source that makes code of text, or takes code from elsewhere. */
const FORBIDDEN = [
  [/\beval\s*\(/, 'eval'],
  [/\bnew\s+Function\b|[^.\w]Function\s*\(/, 'Function'],
  [/\bset(?:Timeout|Interval)\s*\(\s*["'`]/, 'a timer with text'],
  [/\bimportScripts\s*\(/, 'importScripts'],
  [/\b(?:import|from)\s*\(?\s*["'`](?:https?:|\/\/|data:|blob:)/, 'remote import'],
  [/\bdocument\.write\b/, 'document.write'],
  [/\bcreateElement\(\s*["'`]script["'`]\s*\)/, 'a script element'],
  [/\bsourceMappingURL=/, 'a source map'],
  [/\bdebugger\s*;/, 'debugger'],
];
/** Addresses that name a language, not a server. */
const NAMESPACES = /^http:\/\/www\.w3\.org\//;

function scriptProblems(name, text) {
  const bad = FORBIDDEN.filter(([pattern]) => pattern.test(text)).map(([, what]) => `${name}: ${what}`);
  for (const [address] of text.matchAll(/https?:\/\/[^\s"'`)\\]*/g)) {
    if (!NAMESPACES.test(address) && !isInComment(text, address)) bad.push(`${name}: the address ${address}`);
  }
  return bad;
}

/** Whether every place of an address is in a comment of a line or of lines that begin with `*`. */
function isInComment(text, address) {
  return text.split('\n').filter((line) => line.includes(address)).every((line) => /^\s*(\/\/|\*|\/\*)/.test(line));
}

function wasmProblems(texts) {
  const modules = [...texts].filter(([name]) => name.endsWith('.wasm'));
  if (modules.length !== 1) return [`${modules.length} WebAssembly modules, not one`];
  const [[name, bytes]] = modules;
  const size = gzipSync(bytes, { level: 9 }).length;
  const bad = size > MAX_WASM_GZIP ? [`${name}: ${size} bytes gzipped are more than ${MAX_WASM_GZIP}`] : [];
  if (!bytes.subarray(0, 4).equals(Buffer.from('\0asm', 'latin1'))) bad.push(`${name}: not WebAssembly`);
  return bad;
}
