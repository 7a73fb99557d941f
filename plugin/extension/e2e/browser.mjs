// A Chromium with the built extension in it, and what happens to browsers: a
// service worker that is stopped, an offscreen document that is closed, a
// machine that sleeps, a process that is killed.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

/** Where scripts/plugin leaves the unpacked extension. */
export const EXTENSION = join(import.meta.dirname, '../../dist/extension');

/** What keeps Chromium quiet, and working where there is neither a GPU nor a user namespace. */
const ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // A headless window is never in front: without these its timers are slowed as in a hidden tab.
  '--disable-backgrounding-occluded-windows',
  '--disable-renderer-backgrounding',
];

/** The program: CROWDFOLD_CHROMIUM, else the first on the PATH; null when there is none. */
export function findChromium() {
  const named = process.env.CROWDFOLD_CHROMIUM;
  if (named) return existsSync(named) ? named : null;
  for (const name of ['chromium', 'chromium-browser', 'chrome', 'google-chrome-for-testing']) {
    for (const folder of (process.env.PATH ?? '').split(':')) {
      const path = join(folder, name);
      if (folder && existsSync(path)) return path;
    }
  }
  return null;
}

/** Waits until `probe` answers something true, and gives it. */
export async function until(what, limit_ms, probe, pause_ms = 250) {
  const end = Date.now() + limit_ms;
  for (;;) {
    const found = await probe();
    if (found) return found;
    if (Date.now() > end) throw new Error(`${what} did not come within ${Math.round(limit_ms / 1000)} s`);
    await sleep(pause_ms);
  }
}

/** Waits. */
export function sleep(ms) {
  return new Promise((done) => setTimeout(done, ms));
}

/** One run of Chromium with the extension, over a profile that may outlive it. */
export class Browser {
  #context;
  #cdp;

  constructor(context, cdp, id) {
    this.#context = context;
    this.#cdp = cdp;
    /** The extension's id. */
    this.id = id;
  }

  /**
   * Starts Chromium with the profile in `profile` and unpacked extensions, the plugin first.
   * @param {{profile: string, extension?: string | string[]}} options
   */
  static async start({ profile, extension = EXTENSION }) {
    const folders = [extension].flat();
    const executablePath = findChromium();
    if (!executablePath) throw new Error('there is no Chromium on the PATH, and CROWDFOLD_CHROMIUM names none');
    if (!existsSync(join(folders[0], 'manifest.json'))) throw new Error(`${folders[0]} is not built: run scripts/plugin`);
    const context = await chromium.launchPersistentContext(profile, {
      executablePath,
      headless: true,
      ignoreDefaultArgs: ['--disable-extensions'],
      args: [...ARGS, `--disable-extensions-except=${folders.join()}`, `--load-extension=${folders.join()}`],
      viewport: { width: 400, height: 640 },
      // The caller decides what a signal means.
      handleSIGINT: false,
      handleSIGTERM: false,
      handleSIGHUP: false,
    });
    const worker = context.serviceWorkers()[0] ?? (await context.waitForEvent('serviceworker', { timeout: 30_000 }));
    const cdp = await context.browser().newBrowserCDPSession();
    return new Browser(context, cdp, new URL(worker.url()).host);
  }

  /** The id of another unpacked extension, by its name. */
  async otherId(name) {
    const page = await this.tab('chrome://extensions/');
    const found = await page.evaluate(
      (wanted) => new Promise((done) => chrome.developerPrivate.getExtensionsInfo({}, (all) => done(all.find((e) => e.name === wanted)?.id ?? null))),
      name,
    );
    await page.close();
    return found;
  }

  /** A page of the extension in a tab, such as `popup.html`. */
  async open(path) {
    const page = await this.#context.newPage();
    await page.goto(`chrome-extension://${this.id}/${path}`);
    return page;
  }

  /** An ordinary tab. */
  async tab(url) {
    const page = await this.#context.newPage();
    await page.goto(url);
    return page;
  }

  /** A session of the DevTools protocol with a page. */
  devtools(page) {
    return this.#context.newCDPSession(page);
  }

  /** The extension's own targets of a type whose address ends so. */
  async targets(type, end = '') {
    const { targetInfos } = await this.#cdp.send('Target.getTargets', { filter: [{}] });
    return targetInfos.filter((t) => t.type === type && t.url.includes(this.id) && t.url.endsWith(end));
  }

  /** Stops the service worker as an idle browser does; whether it ran. */
  async killServiceWorker() {
    const running = await this.targets('service_worker');
    for (const { targetId } of running) await this.#cdp.send('Target.closeTarget', { targetId });
    await until('the end of the service worker', 10_000, async () => (await this.targets('service_worker')).length === 0);
    return running.length > 0;
  }

  /** Closes the offscreen document, with its workers; whether there was one. */
  async closeOffscreen() {
    const open = await this.targets('background_page');
    for (const { targetId } of open) await this.#cdp.send('Target.closeTarget', { targetId });
    return open.length > 0;
  }

  /** Whether the offscreen document is there. */
  async hasOffscreen() {
    return (await this.targets('background_page')).length > 0;
  }

  /** Process ids, by type as Chromium calls them: `browser`, `renderer`, … */
  async processes() {
    const { processInfo } = await this.#cdp.send('SystemInfo.getProcessInfo');
    return processInfo.map(({ id, type }) => ({ id, type }));
  }

  /** Peak resident memory of the largest renderer so far, in bytes; 0 where the system does not say. */
  async rendererPeak() {
    const renderers = (await this.processes()).filter((p) => p.type === 'renderer');
    return Math.max(0, ...renderers.map(({ id }) => peakOf(id)));
  }

  /** Stops every process where it is, as a sleeping machine does; the function given wakes them. */
  async sleep() {
    const ids = (await this.processes()).map((p) => p.id);
    ids.forEach((id) => signal(id, 'SIGSTOP'));
    return () => ids.forEach((id) => signal(id, 'SIGCONT'));
  }

  /** Kills every process, as a power cut does. */
  async kill() {
    const ids = (await this.processes()).map((p) => p.id);
    const ended = new Promise((done) => this.#context.once('close', done));
    // The browser process first: it would restart the others.
    const first = (await this.processes()).filter((p) => p.type === 'browser').map((p) => p.id);
    [...first, ...ids].forEach((id) => signal(id, 'SIGKILL'));
    await Promise.race([ended, sleep(5_000)]);
    await until('the end of Chromium', 10_000, () => ids.every((id) => !isRunning(id)));
  }

  /** Ends it in order. */
  async close() {
    await this.#context.close();
  }
}

function signal(id, name) {
  try {
    process.kill(id, name);
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

/** Running, not a zombie that waits for its parent. */
function isRunning(id) {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${id}/status`, 'utf8'));
  } catch {
    return false;
  }
}

function peakOf(id) {
  try {
    const line = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${id}/status`, 'utf8'));
    return line ? Number(line[1]) * 1024 : 0;
  } catch {
    return 0;
  }
}

/** Chromium's version, for the record. */
export function chromiumVersion() {
  const path = findChromium();
  return path ? execFileSync(path, ['--version', '--no-sandbox'], { encoding: 'utf8' }).trim() : null;
}
