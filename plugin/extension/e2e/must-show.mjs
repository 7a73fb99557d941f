// The plugin against a real node in a real Chromium: it is admitted, proves, is paid, survives that its service worker
// is killed in the middle of a proof, and explains the penalty that came while it was dark.
//
// Usage: CROWDFOLD=path/to/crowdfold node must-show.mjs
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Browser, chromiumVersion, until } from './browser.mjs';
import { Node, SENDERS, writeGenesis } from './node.mjs';
import { Popup } from './popup.mjs';
import { Report, endWithParent } from './report.mjs';

const PASSPHRASE = 'correct horse battery staple';
const TO = '0x00000000000000000000000000000000000c0ffe';
const MINUTE = 60_000;
/** How much longer everything takes than on a machine that does nothing else. */
const BUSY = Math.min(4, Math.max(1, (loadavg()[0] + 1) / cpus().length / 3));
/** Blocks of half a second: several times what a proof takes on two cores; the dark phase waits for all of it. */
const DEADLINE_BLOCKS = Math.round(180 * BUSY);

const program = process.env.CROWDFOLD;
if (!program) throw new Error('CROWDFOLD names the program to test');
const dir = mkdtempSync(join(tmpdir(), 'crowdfold-plugin-'));
const report = new Report();
let node;
let browser;
let popup;
endWithParent(async () => {
  await browser?.kill().catch(() => {});
  node?.kill();
});

/** Waits until the chain takes the prover's proof of a transaction. */
function proven(hash, address) {
  return until(`the proof of ${hash}`, 2 * MINUTE * BUSY, async () => {
    const item = await node.item(hash);
    if (!item.proven) return null;
    assert.equal(item.prover?.toLowerCase(), address.toLowerCase());
    return item;
  });
}

/** Waits until the popup's engine proves the task of a transaction, and gives the view. */
async function proving(popup, hash, permille = 0) {
  const { task } = await until('its task', 30_000, async () => ((await node.item(hash))?.task ? node.item(hash) : null));
  await popup.when(`the proof of task ${task}`, MINUTE * BUSY, (v) => v.running?.task === String(task) && v.running.permille >= permille);
  return String(task);
}

try {
  const genesis = writeGenesis(join(dir, 'genesis.toml'), { deadline_base: DEADLINE_BLOCKS });
  node = await Node.start({ program, genesis, data: join(dir, 'data') });
  report.line(`node ${node.url}, ${chromiumVersion()}, ${cpus().length} cores, busy by a factor of ${BUSY.toFixed(1)}`);
  browser = await Browser.start({ profile: join(dir, 'profile') });
  popup = await Popup.open(browser);

  const address = await report.timed('wallet made in the popup', () => popup.firstRun({ passphrase: PASSPHRASE, node: node.url }));
  const { settings, hardware_threads } = await popup.view();
  await popup.ask({ type: 'set', settings: { ...settings, threads: Math.min(2, hardware_threads), while_in_use: true, on_battery: true } });
  await report.timed('keys fetched, checked and ready', () => popup.when('the keys', MINUTE * BUSY, (v) => v.keys.state === 'ready'));
  await report.timed('registered and admitted by a real proof', () =>
    until('the admission', 2 * MINUTE * BUSY, async () => (await node.prover(address))?.active),
  );
  await popup.shows('state', /wait|ready|active|idle/i, 30_000);

  const first = await node.transfer(SENDERS[0], TO, '1000000000000000000');
  await report.timed('a transaction proven and accepted', () => proven(first, address));
  const task = String((await node.item(first)).task);
  const paid = await popup.when('the reward', 30_000, (v) => v.jobs.some((j) => j.task === task && j.result === 'accepted' && j.reward));
  const job = paid.jobs.find((j) => j.task === task);
  assert.ok(BigInt(job.reward) > 0n && BigInt(paid.today.earned) >= BigInt(job.reward));
  assert.match(job.proof_hash, /^0x[0-9a-f]{64}$/);
  assert.ok(job.receipt?.accepted && job.draw, 'the job has its receipt and its draw');
  report.line(`popup: state "${await popup.text('state')}", balance "${await popup.text('balance')}", today "${await popup.text('today')}"`);
  const row = await until('the row of the job', 15_000, () => popup.job(task));
  report.line(`popup: job "${row}"`);
  assert.match(await popup.shows('today', /[1-9]/), /ZKPoW/);

  const second = await node.transfer(SENDERS[1], TO, '2000000000000000000');
  await proving(popup, second, 100);
  const opening = [];
  for (let i = 0; i < 3; i++) opening.push(await Popup.openingTime(browser));
  report.number('popup shows its state while proving, ms (worst of 3)', Math.max(...opening));
  assert.ok(!(await node.item(second)).proven, 'the service worker is to be killed in the middle of the proof');
  assert.ok(await browser.killServiceWorker(), 'the service worker ran');
  report.line('the service worker is killed in the middle of the second proof');
  await report.timed('the proof arrived all the same', () => proven(second, address));

  await popup.page.close();
  popup = await Popup.open(browser);
  const third = await node.transfer(SENDERS[0], TO, '3000000000000000000');
  const lost = await proving(popup, third);
  const before = (await node.prover(address)).account;
  report.number('renderer memory at its peak, MB', Math.round((await browser.rendererPeak()) / 1e6));
  await browser.kill();
  report.line('Chromium is killed in the middle of the third proof');
  await report.timed('the chain charged a penalty', () => until('the penalty', 3 * MINUTE * BUSY, async () => (await node.prover(address)).failed > 0));
  await node.transfer(SENDERS[1], TO, '1');

  const started = Date.now();
  browser = await Browser.start({ profile: join(dir, 'profile') });
  popup = await Popup.open(browser);
  await popup.unlock(PASSPHRASE);
  const back = await popup.when('the keys', MINUTE * BUSY, (v) => v.keys.state === 'ready');
  report.number('ready to prove with cached keys after the start of Chromium, ms', Date.now() - started);
  assert.equal(back.wallet.address.toLowerCase(), address.toLowerCase());
  const charged = await popup.when('the penalty', MINUTE * BUSY, (v) => v.jobs.some((j) => j.task === lost && j.penalty));
  const penalty = charged.jobs.find((j) => j.task === lost && j.penalty);
  assert.equal(penalty.penalty.reason, 'timed-out');
  assert.equal(penalty.penalty.amount, '1000000000000000000');
  const explained = await until('the words of the penalty', 15_000, async () => {
    const text = await popup.job(lost);
    return text && /deadline|too late|in time/i.test(text) ? text : null;
  });
  report.line(`popup: job "${explained}"`);
  const balance = await popup.shows('balance', /[-−]/);
  report.line(`popup: balance "${balance}" (the chain: ${before.holding} before)`);
  report.end();
} catch (error) {
  console.error(error);
  console.error(`--- the view is ${JSON.stringify(await popup?.view().catch((e) => e.message))}`);
  console.error(`--- the node's log ends with\n${node?.log.slice(-4_000) ?? ''}`);
  process.exitCode = 1;
} finally {
  await browser?.close().catch(() => {});
  await node?.stop();
  rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  process.exit();
}
