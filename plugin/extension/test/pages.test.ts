// Popup and options in a real browser, with the mock engine: accessibility of every state, the first run by keyboard,
// what is announced, what happens when the engine goes away. Skipped where there is no Chromium ($CHROMIUM or
// /usr/bin/chromium); with REQUIRE_CHROMIUM=1 that is a failure.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import test, { after, before } from "node:test";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import type { Command, View } from "../src/messages";
import { serveMock } from "../e2e/mock/server.mjs";

const root = process.cwd();
const chromiumPath = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
const skip = !existsSync(chromiumPath) && process.env["REQUIRE_CHROMIUM"] !== "1" && "no Chromium";
const axe = readFileSync(createRequire(join(root, "package.json")).resolve("axe-core/axe.min.js"), "utf8");

let browser: Browser;
let server: Awaited<ReturnType<typeof serveMock>>;

before(async () => {
  if (skip) return;
  server = await serveMock(root);
  browser = await chromium.launch({ executablePath: chromiumPath, args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"] });
});
after(async () => {
  await browser?.close();
  server?.close();
});

/** Opens a page, runs `body`, and fails on anything that the page throws or its policy refuses. */
function open(path: string, body: (page: Page) => Promise<void>, options: BrowserContextOptions = {}): Promise<void> {
  return openAll([path], body, options);
}

/** The same for one path after the other. */
async function openAll(paths: string[], body: (page: Page, path: string) => Promise<void>, options: BrowserContextOptions = {}): Promise<void> {
  const context = await browser.newContext({ locale: "en-GB", viewport: { width: 384, height: 600 }, ...options });
  const page = await context.newPage();
  const wrong: string[] = [];
  page.on("pageerror", (error) => wrong.push(String(error)));
  page.on("console", (line) => line.type() === "error" && wrong.push(line.text()));
  try {
    for (const path of paths) {
      await page.goto(`${server.url}/${path}`);
      if (!path.includes("starting")) await page.locator("main[aria-busy=true]").waitFor({ state: "detached" });
      await body(page, path);
      assert.deepEqual(wrong, [], path);
    }
  } finally {
    await context.close();
  }
}

interface Finding { id: string; nodes: { html: string; failureSummary?: string }[] }

async function noViolations(page: Page, what: string): Promise<void> {
  const found = await page.evaluate(`${axe}; axe.run(document, { resultTypes: ["violations"] }).then((result) => result.violations)`);
  const lines = (found as Finding[]).flatMap(({ id, nodes }) => nodes.map((node) => `${what}: ${id}: ${node.html} ${node.failureSummary ?? ""}`));
  assert.deepEqual(lines, []);
}

const openEverything = (page: Page): Promise<void> =>
  page.evaluate(() => document.querySelectorAll("details").forEach((details) => void (details.open = true)));

/** What the engine was told. */
const commands = (page: Page): Promise<Command[]> => page.evaluate(() => (globalThis as unknown as { mock: { commands: Command[] } }).mock.commands);
const push = (page: Page, change: Partial<View>): Promise<void> =>
  page.evaluate((next) => (globalThis as unknown as { mock: { push: (change: object) => void } }).mock.push(next), change);

const popups = (states: string[]): string[] => states.map((state) => `popup.html?state=${state}`);

test("no state of the popup has an accessibility fault", { skip }, async () => {
  await openAll(popups(server.states), async (page, path) => {
    if (path.endsWith("=starting")) await page.getByRole("heading", { name: "Starting" }).waitFor();
    await openEverything(page);
    await noViolations(page, path);
  });
});

test("nor in the dark, where colours differ", { skip }, async () => {
  const states = ["no-wallet", "locked", "proving", "proving-late", "debt", "suspended", "trouble-wrong-chain"];
  await openAll(popups(states), async (page, path) => {
    await openEverything(page);
    await noViolations(page, `${path}, dark`);
  }, { colorScheme: "dark" });
});

test("nor has the options page, with every part opened and every error shown", { skip }, async () => {
  for (const colorScheme of ["light", "dark"] as const) {
    for (const state of ["outside-hours", "no-wallet", "locked", "data-limit"]) {
      await open(`options.html?state=${state}`, async (page) => {
        await page.getByTestId("node-url").fill("http://nowhere");
        await page.getByTestId("save").click();
        await page.getByLabel("Threads").fill("99");
        await page.getByLabel("Threads").blur();
        await page.getByText("Enter 1 to 8 threads").waitFor();
        if (state !== "no-wallet") {
          await page.getByRole("button", { name: "Delete wallet" }).click();
          await page.getByRole("button", { name: "Clear history" }).click();
          await page.getByRole("button", { name: "Forget" }).click();
        }
        await noViolations(page, `${state}, ${colorScheme}`);
      }, { colorScheme, viewport: { width: 900, height: 800 } });
    }
  }
});

test("the first run works with the keyboard alone", { skip }, async () => {
  await open("popup.html?state=no-wallet", async (page) => {
    const tabTo = async (name: string): Promise<void> => {
      for (let presses = 0; presses < 12; presses++) {
        await page.keyboard.press("Tab");
        const focused = await page.evaluate(() => {
          const at = document.activeElement;
          const label = at instanceof HTMLInputElement ? at.labels?.[0]?.textContent : at?.textContent;
          return label ?? "";
        });
        if (focused.includes(name)) return;
      }
      assert.fail(`Tab does not reach ${name}`);
    };
    await tabTo("Get started");
    await page.keyboard.press("Enter");
    assert.equal(await page.evaluate(() => document.activeElement?.textContent), "Choose a passphrase");
    await tabTo("Passphrase");
    await page.keyboard.type("short");
    await page.keyboard.press("Enter");
    await page.getByText("Use at least 8 characters").waitFor();
    assert.equal(await page.evaluate(() => document.activeElement?.getAttribute("aria-invalid")), "true");
    await page.keyboard.press("Control+A");
    await page.keyboard.type("seven copper kettles sing");
    await tabTo("Passphrase again");
    await page.keyboard.type("seven copper kettles sing");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Keep a copy of your key" }).waitFor();
    await tabTo("Show the secret key");
    await page.keyboard.press("Enter");
    assert.match(await page.getByTestId("secret-value").textContent() ?? "", /^•+$/);
    await tabTo("Continue");
    await page.keyboard.press("Enter");
    await tabTo("Node address");
    assert.equal(await page.getByTestId("node-url").inputValue(), "ws://127.0.0.1:8545/plugin");
    await page.keyboard.press("Enter");
    await page.getByTestId("pause").waitFor();
    assert.equal(await page.getByTestId("state").textContent(), "Ready");
    assert.deepEqual((await commands(page)).map((command) => command.type), ["create-wallet", "export-wallet", "set"]);
  });
});

test("the focus shows, and can leave every control", { skip }, async () => {
  await open("popup.html?state=proving", async (page) => {
    const seen = new Set<string>();
    for (let presses = 0; presses < 60; presses++) {
      await page.keyboard.press("Tab");
      const [id, outline] = await page.evaluate(() => {
        const at = document.activeElement ?? document.body;
        const style = getComputedStyle(at);
        return [at === document.body ? "" : [...document.querySelectorAll("*")].indexOf(at).toString(), style.outlineStyle] as const;
      });
      if (id === "" || seen.has(id)) break;
      assert.notEqual(outline, "none", id);
      seen.add(id);
    }
    const focusable = await page.locator("a[href], button, summary, input").filter({ visible: true }).count();
    assert.equal(seen.size, focusable);
  });
});

test("a change of state is announced, progress is not", { skip }, async () => {
  await open("popup.html?state=proving", async (page) => {
    const live = page.locator("[role=status], [aria-live]");
    const said = async (): Promise<string> => (await live.allTextContents()).join("|");
    const before = await said();
    const running = await page.evaluate(() => (globalThis as unknown as { mock: { view: View } }).mock.view.running);
    assert.ok(running);
    await push(page, { running: { ...running, permille: 700, left_ms: 9_000 } });
    await page.locator("[data-testid=proof-progress][aria-valuenow='70']").waitFor();
    assert.match(await page.getByTestId("proof-progress").getAttribute("aria-valuetext") ?? "", /^70%, folding .*, about 9 sec/);
    assert.equal(await said(), before);
    await push(page, { running: null, idle: "on-battery" });
    await page.getByText("Waiting for mains power").waitFor();
    assert.match(await said(), /Waiting for mains power/);
  });
});

test("when the engine goes away it says so, and comes back by itself", { skip }, async () => {
  await open("popup.html?state=proving", async (page) => {
    await page.evaluate(() => (globalThis as unknown as { mock: { die: () => void } }).mock.die());
    await page.getByRole("heading", { name: "Starting" }).waitFor();
    await page.evaluate(() => Object.assign((globalThis as unknown as { mock: object }).mock, { alive: true }));
    await page.getByRole("heading", { name: "Proving" }).waitFor();
  });
});

test("it paints what it remembers, and says when that may no longer be true", { skip }, async () => {
  await open("popup.html?state=starting&remembered=proving", async (page) => {
    assert.match(await page.getByTestId("balance").textContent() ?? "", /1\.2843/);
    await page.getByRole("heading", { name: "Starting" }).waitFor();
    assert.match(await page.getByTestId("balance").textContent() ?? "", /1\.2843/);
    await page.getByTestId("pause").click();
    await page.getByText("The prover is still starting").waitFor();
  });
});

test("it remembers what it is told", { skip }, async () => {
  await open("popup.html?state=paused", async (page) => {
    await page.waitForFunction(() => (globalThis as unknown as { mock: { session: Record<string, View> } }).mock.session["last-view"]?.paused === true);
  });
});

test("a focused control and an open job survive new views", { skip }, async () => {
  await open("popup.html?state=proving", async (page) => {
    const job = page.locator("[data-task='1198'] summary");
    await job.focus();
    await page.keyboard.press("Enter");
    await push(page, { queued: 5, today: { earned: "1", penalties: "0", proofs: 1, bytes: 1 } });
    await page.getByText("5 more tasks wait").waitFor();
    assert.equal(await page.locator("[data-task='1198'] details").getAttribute("open"), "");
    assert.match(await page.evaluate(() => document.activeElement?.textContent ?? ""), /Missed the deadline/);
    assert.match(await page.locator("[data-task='1198']").getByTestId("job-penalty").textContent() ?? "", /offline or too slow/);
  });
});

test("every command has its control", { skip }, async () => {
  await open("popup.html?state=trouble-refused", async (page) => {
    await page.getByRole("button", { name: "Dismiss" }).click();
    await page.getByTestId("trouble").waitFor({ state: "detached" });
    await page.getByTestId("pause").click();
    await page.getByTestId("resume").click();
    await page.getByTestId("lock").click();
    await page.getByTestId("passphrase").fill("wrong");
    await page.getByTestId("unlock").click();
    await page.getByText("Wrong passphrase").waitFor();
    await page.getByTestId("passphrase").fill("right enough");
    await page.getByTestId("unlock").click();
    await page.getByTestId("pause").waitFor();
    assert.deepEqual((await commands(page)).map((command) => command.type), ["dismiss-trouble", "pause", "resume", "lock", "unlock", "unlock"]);
  });
});

test("options are saved one by one, and only values that can be used", { skip }, async () => {
  await open("options.html?state=proving", async (page) => {
    const settings = async (): Promise<View["settings"]> => {
      const last = (await commands(page)).filter((command) => command.type === "set").at(-1);
      return last?.type === "set" ? last.settings : assert.fail("nothing was saved");
    };
    await page.getByLabel("Threads").fill("4");
    await page.getByLabel("Threads").blur();
    await page.locator("#limits").getByText("Saved").waitFor();
    assert.equal((await settings()).threads, 4);
    await page.getByLabel("Memory").fill("12");
    await page.getByLabel("Memory").blur();
    await page.getByText("Enter 512 to 4096 MB").waitFor();
    assert.equal((await settings()).memory_mb, 1500);
    // Quick changes build on one another.
    await page.getByLabel("Prove on battery").check();
    await page.getByLabel("Only at certain hours").check();
    await page.getByLabel("From").selectOption("20");
    await page.locator("#hours").getByText("Saved").waitFor();
    await page.getByLabel("Rewards").uncheck();
    await page.getByTestId("node-url").fill("wss://other.example");
    await page.getByTestId("save").click();
    await page.locator("#nodes code", { hasText: "wss://other.example/plugin" }).waitFor();
    await page.getByRole("button", { name: "Remove ws://127.0.0.1:8545/plugin" }).click();
    await page.locator("#nodes code", { hasText: "ws://127.0.0.1:8545/plugin" }).waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Forget…" }).click();
    await page.getByRole("button", { name: "Forget the chain" }).click();
    await page.getByText("The first chain that a node shows is pinned here").waitFor();
    const last = await settings();
    assert.deepEqual(last.nodes, ["wss://node.crowdfold.example/plugin", "wss://other.example/plugin"]);
    assert.deepEqual([last.threads, last.on_battery, last.hours, last.notifications.rewards, last.chain], [4, true, { from: 20, to: 7 }, false, null]);
  }, { viewport: { width: 900, height: 800 } });
});

test("the key is shown after the passphrase and on request only, and deleted after the typed word only", { skip }, async () => {
  await open("options.html?state=proving", async (page) => {
    await page.getByRole("button", { name: "Export key" }).click();
    await page.getByTestId("export-passphrase").fill("wrong");
    await page.getByRole("button", { name: "Show the key" }).click();
    await page.getByText("Wrong passphrase").waitFor();
    await page.getByTestId("export-passphrase").fill("right enough");
    await page.getByRole("button", { name: "Show the key" }).click();
    assert.match(await page.getByTestId("secret-value").textContent() ?? "", /^•+$/);
    await page.getByRole("button", { name: "Show", exact: true }).click();
    assert.match(await page.getByTestId("secret-value").textContent() ?? "", /^0x[0-9a-f]{64}$/);
    await page.getByRole("button", { name: "Delete wallet…" }).click();
    assert.equal(await page.getByTestId("secret-value").count(), 0);
    await page.getByTestId("delete-passphrase").fill("right enough");
    await page.getByTestId("delete-word").fill("yes");
    await page.getByTestId("delete-wallet").click();
    await page.getByText("Type the word delete").waitFor();
    await page.getByTestId("delete-word").fill("delete");
    await page.getByTestId("delete-wallet").click();
    await page.getByText("There is no wallet in this browser").waitFor();
  }, { viewport: { width: 900, height: 800 } });
});

test("large text and narrow windows lose nothing", { skip }, async () => {
  for (const state of ["proving", "debt", "huge", "no-wallet", "trouble-node-fault"]) {
    await open(`popup.html?state=${state}`, async (page) => {
      await openEverything(page);
      // Twice the text, as a browser's font size setting does it.
      await page.evaluate(() => void (document.documentElement.style.fontSize = "200%"));
      const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth] as const);
      assert.ok(content <= window, `${state}: ${content} wide in ${window}`);
    }, { viewport: { width: 640, height: 600 } });
  }
  await open("options.html?state=proving", async (page) => {
    const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth] as const);
    assert.ok(content <= window, `options: ${content} wide in ${window}`);
  }, { viewport: { width: 320, height: 600 } });
});
