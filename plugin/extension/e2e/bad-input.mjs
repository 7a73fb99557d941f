// Nodes that lie, pages and extensions that pry, storage that fails: the popup says clearly what is wrong, nothing is
// signed, nothing is lost.
//
// Usage: CROWDFOLD=path/to/crowdfold node bad-input.mjs [PATTERN]     (only the cases whose names match)
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Browser, EXTENSION, sleep, until } from './browser.mjs';
import { Node, writeGenesis } from './node.mjs';
import { Popup } from './popup.mjs';
import { LyingNode, PAYLOAD_AT, SAYS, about, typeOf } from './proxy.mjs';
import { Report, endWithParent } from './report.mjs';
import { bendKeys, limitStorage, names, spoil } from './storage.mjs';

const PASSPHRASE = 'correct horse battery staple';
const CHAIN_ID_AT = PAYLOAD_AT + 2;
// Hashes have their length before them, in eight bytes.
const GENESIS_AT = CHAIN_ID_AT + 8 + 8;
const PARAMS_AT = GENESIS_AT + 32 + 8;

const program = process.env.CROWDFOLD;
if (!program) throw new Error('CROWDFOLD names the program to test');
const only = new RegExp(process.argv[2] ?? '');
const dir = mkdtempSync(join(tmpdir(), 'crowdfold-plugin-'));
const report = new Report();
let node;
let lying;
let browser;
let popup;
let address;
endWithParent(async () => {
  await browser?.kill().catch(() => {});
  node?.kill();
});

const flipLast = (bytes) => void (bytes[bytes.length - 1] ^= 1);
const flip = (at) => (bytes) => void (bytes[at] ^= 1);

/** The plugin works with the node again, as before, and no trouble is left that the truth mends. */
async function mended() {
  lying.begin(null);
  await popup.ask({ type: 'dismiss-trouble' });
  const view = await popup.when('the connection', 90_000, (v) => v.connection.state === 'online');
  assert.equal(view.wallet.address, address);
  assert.equal(view.wallet.state, 'unlocked');
}

/** Begins a lie and waits for the trouble that the popup shows. */
async function told(lie, code, command = { type: 'dismiss-trouble' }) {
  await popup.ask({ type: 'dismiss-trouble' });
  lying.begin(lie);
  await popup.ask(command);
  await popup.when(`the trouble ${code}`, 90_000, (v) => [code].flat().includes(v.trouble?.code));
  return popup.shows('trouble', /What to do:/);
}

const unsigned = () => {
  assert.ok((lying.heard.hello ?? 0) > 0, 'the plugin did connect');
  assert.equal(lying.heard.login ?? 0, 0, 'a login was signed');
  assert.equal(lying.heard.system ?? 0, 0, 'a message was signed');
};
const noMessage = () => assert.equal(lying.heard.system ?? 0, 0, 'a message was signed');

const cases = {
  async 'node: another genesis'() {
    assert.equal((await popup.view()).settings.chain, node.genesis, 'the first chain is pinned');
    const text = await told(about(SAYS.WELCOME, flip(GENESIS_AT)), 'wrong-chain');
    assert.match(text, /different chain/i);
    unsigned();
  },
  async 'node: other proof parameters'() {
    await told(about(SAYS.WELCOME, flip(PARAMS_AT)), 'wrong-chain');
    unsigned();
  },
  async 'node: a welcome that does not decode'() {
    await told(about(SAYS.WELCOME, (bytes) => bytes.subarray(0, bytes.length - 1)), 'node-fault');
    unsigned();
  },
  async 'node: noise'() {
    await told(() => [Buffer.alloc(100, 0xa5)], 'node-fault');
    unsigned();
  },
  async 'node: an unknown kind of message after the login'() {
    const lie = (bytes) => {
      const strange = Buffer.from(bytes);
      strange.writeUInt32LE(9_999, 16);
      return typeOf(bytes) === SAYS.LOGGED_IN ? [bytes, strange] : [bytes];
    };
    await told(lie, 'node-fault');
    noMessage();
  },
  async 'node: a huge message'() {
    const text = await told(about(SAYS.WELCOME, () => Buffer.alloc(4 << 20)), 'node-fault');
    assert.match(text, /broke the rules/i);
    unsigned();
  },
  async 'node: numbers that are absurd'() {
    // Lengths and times of the welcome, each as large as can be.
    const lie = about(SAYS.WELCOME, (bytes) => void bytes.fill(0xff, PARAMS_AT + 32, PARAMS_AT + 32 + 32));
    await popup.ask({ type: 'dismiss-trouble' });
    lying.begin(lie);
    await sleep(4_000);
    assert.ok(await popup.view(), 'the engine lives');
    noMessage();
  },
  async 'wallet: a wrong passphrase'() {
    await popup.ask({ type: 'lock' });
    await popup.shows('state', /locked/i);
    lying.begin(null);
    await popup.unlock('not the passphrase');
    const text = await until('the refusal', 20_000, async () => {
      const body = await popup.page.innerText('body');
      return /wrong passphrase/i.test(body) ? body : null;
    });
    assert.match(text, /wrong passphrase/i);
    assert.equal((await popup.view()).wallet.state, 'locked');
    await sleep(1_500);
    assert.equal(lying.heard.login ?? 0, 0, 'a login was signed by a locked wallet');
    await popup.unlock(PASSPHRASE);
    await popup.when('the wallet', 20_000, (v) => v.wallet.state === 'unlocked');
    const refused = await popup.ask({ type: 'export-wallet', passphrase: 'not the passphrase' });
    assert.equal(refused.ok, false);
    assert.equal(refused.trouble.code, 'wrong-passphrase');
    assert.equal(refused.secret, undefined);
  },
  async 'web: a page that calls the extension'() {
    const server = createServer((_, answer) => answer.setHeader('content-type', 'text/html').end('<h1>page</h1>'));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const page = await browser.tab(`http://127.0.0.1:${server.address().port}/`);
    const got = await page.evaluate(async (id) => {
      const tried = {};
      const attempt = async (name, work) => {
        try {
          tried[name] = (await work()) ?? 'nothing';
        } catch (error) {
          tried[name] = `refused: ${error.name}`;
        }
      };
      await attempt('runtime', () => typeof globalThis.chrome?.runtime?.sendMessage);
      await attempt('connect', () => globalThis.chrome.runtime.connect(id, { name: 'ui' }) && 'connected');
      for (const path of ['popup.html', 'manifest.json', 'offscreen.js', 'icons/icon-16.png']) {
        await attempt(path, async () => (await fetch(`chrome-extension://${id}/${path}`)).status);
      }
      await attempt('frame', () =>
        new Promise((done) => {
          const frame = document.createElement('iframe');
          frame.src = `chrome-extension://${id}/popup.html`;
          const seen = (event) => done(`heard ${JSON.stringify(event.data)}`);
          addEventListener('message', seen);
          frame.onload = () => {
            frame.contentWindow.postMessage({ id: 1, command: { type: 'pause' } }, '*');
            frame.contentWindow.postMessage({ to: 'engine', type: 'ping' }, '*');
            setTimeout(() => done('silence'), 1_500);
          };
          document.body.append(frame);
        }),
      );
      await attempt('broadcast', () =>
        new Promise((done) => {
          const channel = new BroadcastChannel('crowdfold-prover');
          channel.onmessage = () => done('heard');
          channel.postMessage({ type: 'thread-died', detail: 'page' });
          setTimeout(() => done('silence'), 500);
        }),
      );
      return tried;
    }, browser.id);
    server.close();
    await page.close();
    assert.equal(got.runtime, 'undefined', 'a page has no way to call extensions');
    assert.match(got.connect, /refused/);
    for (const path of ['popup.html', 'manifest.json', 'offscreen.js', 'icons/icon-16.png']) assert.match(String(got[path]), /refused/);
    assert.equal(got.frame, 'silence');
    assert.equal(got.broadcast, 'silence');
    await healthy();
  },
  async 'web: another extension that calls it'() {
    const page = await browser.tab(`chrome-extension://${stranger}/page.html`);
    const got = await page.evaluate(async (id) => {
      const tried = {};
      for (const [name, message] of Object.entries({
        ping: { to: 'engine', type: 'ping' },
        hello: { to: 'service-worker', type: 'hello' },
        forget: { to: 'service-worker', type: 'keep-wallet', wallet: null },
      })) {
        tried[name] = await chrome.runtime.sendMessage(id, message).then(
          (answer) => `answered ${JSON.stringify(answer)}`,
          (error) => `refused: ${error.message}`,
        );
      }
      for (const name of ['ui', 'engine', 'anything']) {
        tried[name] = await new Promise((done) => {
          const port = chrome.runtime.connect(id, { name });
          port.onMessage.addListener((message) => done(`heard ${JSON.stringify(message)}`));
          port.onDisconnect.addListener(() => done(`refused: ${chrome.runtime.lastError?.message}`));
          port.postMessage({ id: 1, command: { type: 'export-wallet', passphrase: '' } });
          setTimeout(() => done('silence'), 2_000);
        });
      }
      return tried;
    }, browser.id);
    await page.close();
    for (const [name, answer] of Object.entries(got)) assert.match(answer, /^refused|^silence/, `${name}: ${answer}`);
    await healthy();
  },
  async 'storage: a damaged wallet, settings and history'() {
    for (const what of ['wallet', 'settings', 'history']) {
      const spoiled = await spoil(popup.page, what);
      if (what !== 'history') assert.ok(spoiled > 0, `there is no ${what} among ${await names(popup.page)}`);
    }
    await restartEngine();
    const view = await popup.when('the trouble', 30_000, (v) => v.trouble?.code === 'storage-corrupt');
    assert.match(await popup.shows('trouble', /damaged/i), /what you earned is recorded on the chain/i);
    assert.equal(view.wallet.address, address, 'the wallet is lost');
    assert.ok((await names(popup.page)).some((name) => /unreadable/.test(name)), 'nothing was set aside');
    if (view.wallet.state === 'locked') await popup.unlock(PASSPHRASE);
    const { settings } = await popup.view();
    await popup.ask({ type: 'set', settings: { ...settings, nodes: [lying.url], chain: null } });
    const exported = await popup.ask({ type: 'export-wallet', passphrase: PASSPHRASE });
    assert.equal(exported.secret, secret, 'the key is another one');
  },
  async 'storage: it is full'() {
    const lift = await limitStorage(browser, popup.page, 1);
    const { settings } = await popup.view();
    await popup.ask({ type: 'set', settings: { ...settings, data_mb_per_day: 12_345 } });
    await popup.when('the trouble', 30_000, (v) => v.trouble?.code === 'storage-full');
    assert.match(await popup.shows('trouble', /storage is full/i), /disk space|history/i);
    assert.equal((await popup.view()).wallet.address, address);
    await lift();
    await popup.ask({ type: 'set', settings });
    await sleep(1_000);
    await restartEngine();
    const view = await popup.when('the engine', 30_000, (v) => v.wallet.address === address);
    assert.deepEqual(view.settings.nodes, [lying.url], 'the settings are lost');
  },
  async 'keys: another digest, then the right one, then a damaged copy'() {
    const text = await told(about(SAYS.CHUNK, flipLast), ['wrong-keys', 'wrong-chain', 'node-fault'], { type: 'resume' });
    report.line(`popup: "${text.slice(0, 90)}…"`);
    noMessage();
    lying.begin(null);
    await popup.when('the keys', 120_000, (v) => v.keys.state === 'ready');
    await popup.ask({ type: 'pause' });
    assert.equal(await bendKeys(popup.page), 1, 'one key is kept');
    await restartEngine();
    lying.begin(null);
    await popup.ask({ type: 'resume' });
    // It is fetched again: the user notices nothing.
    await popup.when('the keys', 120_000, (v) => v.keys.state === 'ready');
    // All but the pieces that were asked for while the engine started.
    assert.ok(lying.heard.request > 30, 'the key was not fetched again');
    await popup.ask({ type: 'pause' });
  },
  // The genesis was fetched and names the chain id, so nobody else's word counts any more.
  async 'keys: another chain id'() {
    const text = await told(about(SAYS.WELCOME, flip(CHAIN_ID_AT)), 'wrong-chain');
    assert.match(text, /different chain/i);
    unsigned();
  },
};

/** The popup's engine is as it was. */
async function healthy() {
  const view = await popup.view();
  assert.equal(view.wallet.address, address);
  assert.equal(view.wallet.state, 'unlocked');
  assert.equal(view.paused, true);
}

/** Closes the engine's document and waits for the next one. */
async function restartEngine() {
  await browser.closeOffscreen();
  await popup.page.close();
  popup = await Popup.open(browser);
  await popup.when('the engine', 60_000, () => true);
}

/** Another extension, which has nothing to ask of ours. */
function strangeExtension() {
  const folder = join(dir, 'stranger');
  mkdirSync(folder);
  writeFileSync(join(folder, 'manifest.json'), JSON.stringify({ manifest_version: 3, name: 'stranger', version: '1' }));
  writeFileSync(join(folder, 'page.html'), '<h1>stranger</h1>');
  return folder;
}

let secret;
let stranger;
try {
  node = await Node.start({ program, genesis: writeGenesis(join(dir, 'genesis.toml'), {}), data: join(dir, 'data') });
  lying = await LyingNode.start(node.url);
  browser = await Browser.start({ profile: join(dir, 'profile'), extension: [EXTENSION, strangeExtension()] });
  stranger = await browser.otherId('stranger');
  popup = await Popup.open(browser);
  address = await popup.firstRun({ passphrase: PASSPHRASE, node: lying.url });
  // It stays away from the market: what it signs would be for work.
  await popup.ask({ type: 'pause' });
  await popup.when('the connection', 120_000, (v) => v.paused && v.connection.state === 'online');
  secret = (await popup.ask({ type: 'export-wallet', passphrase: PASSPHRASE })).secret;
  assert.match(secret, /^0x[0-9a-f]{64}$/);
  let failed = 0;
  for (const [name, run] of Object.entries(cases)) {
    if (!only.test(name)) continue;
    try {
      await report.timed(name, run);
      await mended();
    } catch (error) {
      failed += 1;
      console.error(`FAILED: ${name} (the node heard ${JSON.stringify(lying.heard)}):`, error.message);
      await mended().catch((after) => console.error('and then:', after.message.slice(0, 500)));
    }
  }
  assert.equal(failed, 0, `${failed} cases failed`);
  report.end();
} catch (error) {
  console.error(error);
  console.error(`--- the node's log ends with\n${node?.log.slice(-2_000) ?? ''}`);
  process.exitCode = 1;
} finally {
  await browser?.close().catch(() => {});
  lying?.stop();
  await node?.stop();
  rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  process.exit();
}
