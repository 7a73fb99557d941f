// Draws public/icons/*.png from e2e/icon.svg in the browser that the tests use.
// Usage: node e2e/icons.mjs [CHROMIUM]
import { chromium } from "playwright-core";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "../public/icons");
const svg = await readFile(join(here, "icon.svg"), "utf8");
const browser = await chromium.launch({ executablePath: process.argv[2] ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
const page = await browser.newPage();
await mkdir(out, { recursive: true });
for (const size of [16, 32, 48, 128]) {
  await page.setViewportSize({ width: size, height: size });
  await page.setContent(`<style>*{margin:0;display:block}svg{width:${size}px;height:${size}px}</style>${svg}`);
  await writeFile(join(out, `icon-${size}.png`), await page.screenshot({ omitBackground: true }));
}
await browser.close();
