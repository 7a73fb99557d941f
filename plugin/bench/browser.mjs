// node browser.mjs <directory> <key file>: the browser's half of scripts/bench-browser.
//
// Serves the module to headless Chromium, lets it prove the packages of the
// directory, writes *.browser (proofs) and browser.json, prints both sides.

import { createServer } from "node:http";
import { createRequire } from "node:module";
import { readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

const [directory, key] = process.argv.slice(2);
const root = new URL("../..", import.meta.url).pathname;
const require = createRequire(join(root, "plugin/extension/package.json"));
const { chromium } = require("playwright-core");

const native = JSON.parse(await readFile(join(directory, "native.json"), "utf8"));
const types = { js: "text/javascript", wasm: "application/wasm", html: "text/html" };
const folders = { bench: "plugin/bench", wasm: "plugin/dist/wasm" };

async function answer(request, response) {
  const [, folder, name] = new URL(request.url, "http://localhost").pathname.split("/");
  if (request.method === "POST") {
    const parts = [];
    for await (const part of request) parts.push(part);
    await writeFile(join(directory, `${name}.browser`), Buffer.concat(parts));
    return response.end();
  }
  // What gives a page threads.
  response.setHeader("cross-origin-opener-policy", "same-origin");
  response.setHeader("cross-origin-embedder-policy", "require-corp");
  response.setHeader("content-type", types[name?.split(".").pop()] ?? "application/octet-stream");
  if (folder === "") return response.setHeader("content-type", types.html).end("<!doctype html><title>bench</title>");
  if (folder === "key") return response.end(await readFile(key));
  if (folder === "packages") return response.end(await readFile(join(directory, name)));
  if (folder in folders) return response.end(await readFile(join(root, folders[folder], name)));
  response.writeHead(404).end();
}

/** Peak resident megabytes of the renderers below a process. */
async function rendererPeak(pid) {
  const processes = new Map();
  for (const entry of await readdir("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const status = await readFile(`/proc/${entry}/status`, "utf8");
      const command = await readFile(`/proc/${entry}/cmdline`, "utf8");
      const field = (name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1] ?? 0);
      processes.set(Number(entry), { parent: field("PPid"), peak: field("VmHWM") >> 10, command });
    } catch {
      // It has ended meanwhile.
    }
  }
  const isOurs = (id) => id === pid || (processes.has(id) && isOurs(processes.get(id).parent));
  const renderers = [...processes].filter(([id, found]) => found.command.includes("--type=renderer") && isOurs(id));
  return Math.max(0, ...renderers.map(([, found]) => found.peak));
}

const server = createServer((request, response) => answer(request, response).catch(() => response.writeHead(404).end()));
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"];
args.push(...(process.env.CHROMIUM_FLAGS?.split(" ") ?? []));
const browserServer = await chromium.launchServer({ executablePath, args });
try {
  const browser = await chromium.connect(browserServer.wsEndpoint());
  const page = await browser.newPage();
  page.on("console", (message) => console.error(message.text()));
  page.on("pageerror", (error) => console.error(String(error)));
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  const { params_digest, worker, task, threads } = native;
  const { report, error, code } = await page.evaluate(
    (settings) =>
      new Promise((resolve, reject) => {
        const worker = new Worker("/bench/worker.js", { type: "module" });
        worker.onmessage = (event) => resolve(event.data);
        worker.onerror = (event) => reject(new Error(event.message));
        worker.postMessage(settings);
      }),
    { params_digest, worker, task, threads },
  );
  if (error) throw new Error(`${code}: ${error}`);
  report.peak_mb = await rendererPeak(browserServer.process().pid);
  report.browser = browser.version();
  await writeFile(join(directory, "browser.json"), JSON.stringify(report, null, 2));
  print(native, report);
} finally {
  await browserServer.close();
  server.close();
}

function print(native, browser) {
  const row = (name, a, b, unit, digits = 2) => {
    const show = (value) => (value === undefined ? "-" : `${value.toFixed(digits)} ${unit}`);
    const ratio = a && b ? (b / a).toFixed(1) : "-";
    console.log(`${name.padEnd(24)}${show(a).padStart(12)}${show(b).padStart(12)}${ratio.padStart(8)}`);
  };
  const seconds = (ms) => (ms === undefined ? undefined : ms / 1000);
  console.log(`${browser.threads} threads, Chromium ${browser.browser}\n`);
  console.log(`${"".padEnd(24)}${"native".padStart(12)}${"Chromium".padStart(12)}${"ratio".padStart(8)}`);
  row("module and threads", undefined, seconds(browser.load_ms), "s");
  row("ready, key cached", seconds(native.ready_ms), seconds(browser.ready_ms), "s");
  for (const kind of ["transfer", "aggregate"]) {
    row(kind, seconds(native[kind].ms), seconds(browser[kind].ms), "s");
    for (const stage of Object.keys(browser[kind].stages)) {
      row(`  ${stage}`, seconds(native[kind].stages[stage]), seconds(browser[kind].stages[stage]), "s");
    }
  }
  row("WebAssembly memory", undefined, browser.aggregate.memory_mb, "MB", 0);
  row("peak of the process", native.peak_mb, browser.peak_mb, "MB", 0);
}
