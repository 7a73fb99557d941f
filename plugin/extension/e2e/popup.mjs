// The extension's user: clicks and reads in the popup. What the popup is told (`View` of src/messages.ts) is read
// beside it, for measurements and for waiting; what a user must see is read from the page.
import { until } from './browser.mjs';

/** Runs in the page before its own scripts: when the state was first shown, in milliseconds after the navigation. */
function noteFirstState() {
  const look = () => {
    const state = document.querySelector('[data-testid=state]');
    if (state?.textContent?.trim()) {
      window.crowdfoldShown = performance.now();
      observer.disconnect();
    }
  };
  const observer = new MutationObserver(look);
  observer.observe(document, { subtree: true, childList: true, characterData: true });
}

/** Runs in the page: keeps the newest view in `window.crowdfoldView`. */
function listen() {
  if (window.crowdfoldAsk) return;
  const open = new Map();
  let port;
  let next = 1;
  const connect = () => {
    port = chrome.runtime.connect({ name: 'ui' });
    port.onMessage.addListener((message) => {
      if (message.type === 'view') window.crowdfoldView = message.view;
      else {
        open.get(message.id)?.(message);
        open.delete(message.id);
      }
    });
    port.onDisconnect.addListener(() => {
      // Reading it tells the browser that the end of the engine is no surprise.
      void chrome.runtime.lastError;
      window.crowdfoldView = null;
      // As the popup itself does: an engine whose document was closed is asked for.
      chrome.runtime.sendMessage({ to: 'service-worker', type: 'wake' }).catch(() => {});
      setTimeout(connect, 300);
    });
  };
  connect();
  window.crowdfoldAsk = (command) =>
    new Promise((done) => {
      const id = 1_000_000 + next++;
      open.set(id, done);
      port.postMessage({ id, command });
    });
}

/** The popup in a tab. */
export class Popup {
  constructor(page) {
    this.page = page;
  }

  /** Opens it. */
  static async open(browser) {
    const page = await browser.open('popup.html');
    await page.evaluate(listen);
    return new Popup(page);
  }

  /** Opens it a second time beside others; milliseconds from the navigation until it shows a state. */
  static async openingTime(browser) {
    const page = await browser.tab('about:blank');
    await page.addInitScript(noteFirstState);
    await page.goto(`chrome-extension://${browser.id}/popup.html`);
    await page.waitForFunction(() => window.crowdfoldShown !== undefined, null, { timeout: 30_000 });
    const shown = await page.evaluate(() => window.crowdfoldShown);
    await page.close();
    return Math.round(shown);
  }

  /** The newest view; null when there is none. */
  view() {
    return this.page.evaluate(() => window.crowdfoldView ?? null);
  }

  /** Sends a command as the options page does. */
  ask(command) {
    return this.page.evaluate((c) => window.crowdfoldAsk(c), command);
  }

  /** Waits until the view is as it should be, and gives it; on failure says how it is. */
  async when(what, limit_ms, test) {
    let last = null;
    try {
      return await until(what, limit_ms, async () => {
        last = (await this.view()) ?? last;
        return last && test(last) ? last : null;
      });
    } catch (error) {
      const { jobs, days, settings, ...rest } = last ?? {};
      throw new Error(`${error.message}; the view is ${JSON.stringify({ ...rest, jobs: jobs?.slice(0, 3) })}`);
    }
  }

  /** Text of an element, without surplus space; null when it is not there. */
  async text(id) {
    const found = this.page.getByTestId(id);
    return (await found.count()) ? (await found.first().innerText()).replace(/\s+/g, ' ').trim() : null;
  }

  /** Waits until an element's text fits, and gives it. */
  async shows(id, pattern, limit_ms = 15_000) {
    let last = null;
    try {
      return await until(`${pattern} in ${id}`, limit_ms, async () => {
        last = await this.text(id);
        return last !== null && pattern.test(last) ? last : null;
      });
    } catch (error) {
      throw new Error(`${error.message}; it shows ${JSON.stringify(last)}; all: ${(await this.page.innerText('body')).slice(0, 800)}`);
    }
  }

  /** A job's row with all that it says when the user opens it; null when there is none. */
  async job(task) {
    const row = this.page.locator(`[data-testid=job][data-task="${task}"]`).first();
    if (!(await row.count())) return null;
    if (!(await row.locator('details').first().evaluate((details) => details.open))) await row.locator('summary').first().click();
    return (await row.innerText()).replace(/\s+/g, ' ').trim();
  }

  /** From a fresh install to a popup that works for `node`. */
  async firstRun({ passphrase, node }) {
    const { page } = this;
    await page.getByRole('button', { name: 'Get started' }).click();
    await page.getByTestId('passphrase').fill(passphrase);
    await page.getByTestId('passphrase-again').fill(passphrase);
    await page.getByTestId('create-wallet').click();
    await page.getByRole('button', { name: 'Continue' }).click({ timeout: 60_000 });
    await page.getByTestId('node-url').fill(node);
    await page.getByTestId('save').click();
    const view = await this.when('the wallet', 30_000, (v) => v.wallet.state === 'unlocked' && v.settings.nodes.includes(node));
    return view.wallet.address;
  }

  /** Types the passphrase. */
  async unlock(passphrase) {
    await this.page.getByTestId('passphrase').fill(passphrase);
    await this.page.getByTestId('unlock').click();
  }
}
