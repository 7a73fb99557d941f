// Takes pictures of popup and options in each state, light and dark, with the mock engine.
// Usage: node e2e/screenshots.mjs [--png DIR] [ONLY…]
// Without --png: WebP into docs/screenshots. ONLY: names of shots. The pictures named real-… are of screenshots-real.mjs.
import { chromium } from "playwright-core";
import { mkdir, readdir, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { serveMock } from "./mock/server.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const args = process.argv.slice(2);
const png = args[0] === "--png" ? args.splice(0, 2)[1] : null;
const out = png ?? join(root, "../../docs/screenshots");
const BUDGET_BYTES = 1_500_000;

const NOW = new Date("2026-03-14T16:24:00Z");
// Stands for the font of a desktop, where there is such a one; else the machine's own.
const FONT = 'Inter, system-ui, sans-serif';
const POPUP = { width: 384, height: 600 };
const PAGE = { width: 900, height: 900 };
const popup = (state, change = {}) => ({ path: `popup.html?state=${state}`, size: POPUP, whole: false, ...change });
const options = (state, change = {}) => ({ path: `options.html?state=${state}`, size: PAGE, whole: true, ...change });

const fill = async (page, testid, text) => page.getByTestId(testid).fill(text);
const create = async (page) => {
  await page.getByTestId("get-started").click();
  await fill(page, "passphrase", "seven copper kettles sing");
  await fill(page, "passphrase-again", "seven copper kettles sing");
};
const backup = async (page) => {
  await create(page);
  await page.getByTestId("create-wallet").click();
  await page.getByRole("heading", { name: "Keep a copy of your key" }).waitFor();
};
const openJob = (task) => async (page) => {
  const job = page.locator(`[data-testid=job][data-task="${task}"]`);
  await job.locator("summary").first().click();
  await job.evaluate((node) => node.scrollIntoView({ block: "start" }));
  await page.evaluate(() => scrollBy(0, -60));
};

const SHOTS = {
  welcome: popup("no-wallet"),
  "first-run-passphrase": popup("no-wallet", { act: create }),
  "first-run-backup": popup("no-wallet", { act: async (page) => {
    await backup(page);
    await page.getByRole("button", { name: "Show the secret key" }).click();
    await page.getByTestId("secret-value").waitFor();
  } }),
  "first-run-node": popup("no-wallet", { act: async (page) => {
    await backup(page);
    await page.getByRole("button", { name: "Continue" }).click();
    await page.getByTestId("node-url").waitFor();
  } }),
  locked: popup("locked"),
  "locked-wrong": popup("locked", { act: async (page) => {
    await fill(page, "passphrase", "wrong");
    await page.getByTestId("unlock").click();
    await page.getByText("Wrong passphrase").waitFor();
  } }),
  starting: popup("starting", { act: (page) => page.getByRole("heading", { name: "Starting" }).waitFor() }),
  proving: popup("proving", { whole: true }),
  "proving-late": popup("proving-late"),
  submitted: popup("submitted"),
  registering: popup("registering"),
  "loading-keys": popup("loading-keys"),
  ready: popup("waiting-for-work"),
  fresh: popup("fresh"),
  paused: popup("paused"),
  "outside-hours": popup("outside-hours"),
  "on-battery": popup("on-battery"),
  "no-node": popup("no-node"),
  debt: popup("debt", { act: (page) => page.getByText("What this debt means").click(), whole: true }),
  suspended: popup("suspended"),
  "job-receipt": popup("proving", { act: openJob(1207) }),
  "job-penalty": popup("proving", { act: openJob(1198) }),
  "earnings-table": popup("proving", { act: async (page) => {
    await page.getByRole("button", { name: "Table" }).click();
    await page.locator("#earnings-title").evaluate((node) => node.scrollIntoView());
    await page.evaluate(() => scrollBy(0, -70));
  } }),
  "trouble-wrong-chain": popup("trouble-wrong-chain"),
  "trouble-out-of-memory": popup("trouble-out-of-memory"),
  "trouble-wrong-keys": popup("trouble-wrong-keys"),
  options: options("proving"),
  "options-errors": options("outside-hours", { act: async (page) => {
    await fill(page, "node-url", "http://node.example.org");
    await page.getByTestId("save").click();
    await page.getByLabel("Threads").fill("99");
    await page.getByLabel("Threads").blur();
    await page.getByRole("button", { name: "Delete wallet…" }).click();
  } }),
  "options-export": options("data-limit", { act: async (page) => {
    await page.getByRole("button", { name: "Export key" }).click();
    await fill(page, "export-passphrase", "seven copper kettles sing");
    await page.getByRole("button", { name: "Show the key" }).click();
    await page.getByTestId("secret-value").waitFor();
  } }),
  "options-no-wallet": options("no-wallet"),
};

const server = await serveMock(root);
const browser = await chromium.launch({
  executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
  args: ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--force-color-profile=srgb"],
});
await mkdir(out, { recursive: true });
if (args.length === 0 && png === null) {
  for (const name of await readdir(out)) if (name.endsWith(".webp") && !name.startsWith("real-")) await rm(join(out, name));
}
for (const scheme of ["light", "dark"]) {
  const context = await browser.newContext({ colorScheme: scheme, locale: "en-GB", timezoneId: "UTC", deviceScaleFactor: 1.5, reducedMotion: "reduce" });
  for (const [name, shot] of Object.entries(SHOTS)) {
    if (args.length > 0 && !args.includes(name)) continue;
    const page = await context.newPage();
    page.on("pageerror", (error) => { throw error; });
    page.on("console", (line) => { if (line.type() === "error") process.stderr.write(`${name}: ${line.text()}\n`); });
    await page.setViewportSize(shot.size);
    await page.clock.setFixedTime(NOW);
    await page.goto(`${server.url}/${shot.path}`);
    if (!shot.path.includes("starting")) await page.locator("main[aria-busy=true]").waitFor({ state: "detached" });
    await page.evaluate((font) => document.documentElement.style.setProperty("--font", font), FONT);
    await shot.act?.(page);
    // A picture of the whole page has no use for bars that stick to its edges.
    if (shot.whole) await page.setViewportSize({ width: shot.size.width, height: await page.evaluate(() => Math.ceil(document.documentElement.scrollHeight)) });
    await page.waitForTimeout(60);
    await save(context, page, shot.size, `${name}-${scheme}`);
    await page.close();
  }
  await context.close();
}
await browser.close();
server.close();

async function save(context, page, size, name) {
  if (png !== null) return void (await page.screenshot({ path: join(out, `${name}.png`) }));
  const session = await context.newCDPSession(page);
  const { data } = await session.send("Page.captureScreenshot", {
    format: "webp",
    quality: 60,
    // The options page is large; it need not be as sharp.
    clip: { x: 0, y: await page.evaluate(() => scrollY), ...page.viewportSize(), scale: size === PAGE ? 0.7 : 1 },
  });
  await writeFile(join(out, `${name}.webp`), Buffer.from(data, "base64"));
}

if (png === null) {
  const sizes = await Promise.all((await readdir(out)).map(async (name) => (await stat(join(out, name))).size));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  process.stdout.write(`${sizes.length} pictures, ${total} bytes\n`);
  if (total > BUDGET_BYTES) throw new Error(`the pictures weigh more than ${BUDGET_BYTES} bytes`);
}
