// Pictures of the extension at work: a real node, real proofs, a real penalty. About six minutes.
//
// Usage: CROWDFOLD=path/to/crowdfold node screenshots-real.mjs     (first: scripts/plugin)
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Browser, sleep, until } from './browser.mjs';
import { Node, SENDERS, writeGenesis } from './node.mjs';
import { endWithParent } from './report.mjs';

const OUT = join(import.meta.dirname, '../../../docs/screenshots');
const PASSPHRASE = 'seven copper kettles sing';
const TO = '0x00000000000000000000000000000000000c0ffe';
const MINUTE = 60_000;

const program = process.env.CROWDFOLD;
if (!program) throw new Error('CROWDFOLD names the program to run');
const dir = mkdtempSync(join(tmpdir(), 'crowdfold-pictures-'));
let node;
let browser;
endWithParent(async () => {
  await browser?.kill().catch(() => {});
  node?.kill();
});

/** The popup in a window of its own size. */
async function openPopup() {
  const page = await browser.open('popup.html');
  await page.setViewportSize({ width: 384, height: 600 });
  await page.getByTestId('state').or(page.getByTestId('get-started')).first().waitFor();
  await page.evaluate(() => document.documentElement.style.setProperty('--font', 'Inter, system-ui, sans-serif'));
  return page;
}

/** A picture of the whole page. */
async function save(page, name) {
  const height = await page.evaluate(() => Math.max(600, document.documentElement.scrollHeight));
  await page.setViewportSize({ width: page.viewportSize().width, height });
  await sleep(150);
  const devtools = await browser.devtools(page);
  const { data } = await devtools.send('Page.captureScreenshot', { format: 'webp', quality: 85 });
  writeFileSync(join(OUT, `${name}.webp`), Buffer.from(data, 'base64'));
  await page.setViewportSize({ width: page.viewportSize().width, height: 600 });
  console.log(name);
}

const openJob = (page, result) => page.getByTestId('job').filter({ hasText: result }).first().locator('summary').first().click();

try {
  const genesis = writeGenesis(join(dir, 'genesis.toml'), { deadline_base: 260 });
  node = await Node.start({ program, genesis, data: join(dir, 'data') });
  browser = await Browser.start({ profile: join(dir, 'profile') });
  let page = await openPopup();
  await page.getByTestId('get-started').click();
  await page.getByTestId('passphrase').fill(PASSPHRASE);
  await page.getByTestId('passphrase-again').fill(PASSPHRASE);
  await page.getByTestId('create-wallet').click();
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByTestId('node-url').fill(node.url);
  await page.getByTestId('save').click();
  await page.getByTestId('pause').waitFor();

  const options = await browser.open('options.html');
  const address = await options.getByTestId('address').textContent();
  await options.getByLabel('Threads').fill('2');
  await options.getByLabel('Threads').blur();
  await options.close();
  await until('the admission', 5 * MINUTE, async () => (await node.prover(address))?.active);

  await node.transfer(SENDERS[0], TO, '1000000000000000000');
  const underWay = () => {
    const part = Number(document.querySelector('[data-testid=proof-progress]')?.ariaValueNow ?? 0);
    return part >= 20 && part < 100;
  };
  await page.waitForFunction(underWay, undefined, { timeout: 4 * MINUTE });
  await save(page, 'real-proving');
  // The trial is accepted long before; only a transaction is paid.
  await page.getByTestId('today').getByText('+').first().waitFor({ timeout: 4 * MINUTE });
  await openJob(page, 'Transaction');
  await save(page, 'real-paid');

  await node.transfer(SENDERS[1], TO, '2000000000000000000');
  await page.getByTestId('proof').waitFor({ timeout: MINUTE });
  await browser.kill();
  await until('the penalty', 5 * MINUTE, async () => (await node.prover(address)).failed > 0);
  browser = await Browser.start({ profile: join(dir, 'profile') });
  page = await openPopup();
  await page.getByTestId('passphrase').fill(PASSPHRASE);
  await page.getByTestId('unlock').click();
  await page.getByTestId('job-result').getByText('Missed the deadline').waitFor({ timeout: MINUTE });
  await openJob(page, 'Missed the deadline');
  await save(page, 'real-penalty');
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  await browser?.close().catch(() => {});
  await node?.stop();
  rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  process.exit();
}
