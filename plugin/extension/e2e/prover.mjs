// The plugin in a headless Chromium as one prover among others, until it is told to leave.
//
// Usage: CROWDFOLD_PARENT=1 node prover.mjs NODE_URL PROFILE
//
// Writes one line of JSON per thing that happens to standard output: `started` with the prover's address, `state` when
// what the popup says changes, `stopped`. The end of standard input asks it to leave: it pauses in the popup, which
// hands back what is open and leaves the active set, and closes Chromium.
import { randomBytes } from 'node:crypto';
import { Browser, chromiumVersion, sleep } from './browser.mjs';
import { Popup } from './popup.mjs';

/** Longest time for leaving in order. */
const LEAVE_MS = 15_000;

const [node, profile] = process.argv.slice(2);
if (!node || !profile) {
  console.error('usage: node prover.mjs NODE_URL PROFILE');
  process.exit(2);
}

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
let leave;
const leaving = new Promise((done) => (leave = done));
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, leave);
process.stdin.resume();
process.stdin.on('end', leave);
process.stdin.on('error', leave);
process.stdout.on('error', leave);

const browser = await Browser.start({ profile });
try {
  const popup = await Popup.open(browser);
  // Nobody needs the wallet after this run: its passphrase is forgotten with the profile.
  const address = await popup.firstRun({ passphrase: randomBytes(16).toString('hex'), node });
  const { settings, hardware_threads } = await popup.view();
  const threads = Math.min(4, hardware_threads);
  await popup.ask({ type: 'set', settings: { ...settings, threads, while_in_use: true, on_battery: true, hours: null, data_mb_per_day: null } });
  say({ type: 'started', address, chromium: chromiumVersion() });
  let shown = null;
  let isLeaving = false;
  leaving.then(() => (isLeaving = true));
  while (!isLeaving) {
    const state = await popup.text('state').catch(() => null);
    if (state && state !== shown) say({ type: 'state', text: (shown = state) });
    await Promise.race([leaving, sleep(500)]);
  }
  const end = Date.now() + LEAVE_MS;
  await popup.ask({ type: 'pause' });
  let view = await popup.view();
  while (Date.now() < end && view?.connection.state === 'online' && (view.running || view.account?.standing === 'active')) {
    await sleep(250);
    view = await popup.view();
  }
  say({ type: 'stopped', holding: view?.account?.holding ?? null, earned: view?.total.earned ?? null });
} catch (error) {
  say({ type: 'failed', what: error.message });
  process.exitCode = 1;
} finally {
  await Promise.race([browser.close().catch(() => {}), sleep(10_000)]);
  await browser.kill().catch(() => {});
  process.exit();
}
