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

/** Peak resident megabytes and milliseconds of CPU of the renderer below a process that has used the most. */
async function renderer(pid) {
  const processes = new Map();
  for (const entry of await readdir("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const status = await readFile(`/proc/${entry}/status`, "utf8");
      const command = await readFile(`/proc/${entry}/cmdline`, "utf8");
      const field = (name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1] ?? 0);
      const [utime, stime] = (await readFile(`/proc/${entry}/stat`, "utf8")).split(") ")[1].split(" ").slice(11, 13);
      const cpu = 10 * (Number(utime) + Number(stime));
      processes.set(Number(entry), { parent: field("PPid"), peak: field("VmHWM") >> 10, cpu, command });
    } catch {
      // It has ended meanwhile.
    }
  }
  const isOurs = (id) => id === pid || (processes.has(id) && isOurs(processes.get(id).parent));
  const renderers = [...processes].filter(([id, found]) => found.command.includes("--type=renderer") && isOurs(id));
  const most = (name) => Math.max(0, ...renderers.map(([, found]) => found[name]));
  return { peak: most("peak"), cpu: most("cpu") };
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
  // CPU time tells more than the clock where other programs run.
  const cpu = {};
  let [last, marks] = [null, Promise.resolve()];
  await page.exposeFunction("mark", (kind, stage) => {
    marks = marks.then(async () => {
      const now = (await renderer(browserServer.process().pid)).cpu;
      if (last) (cpu[last.kind] ??= {})[last.stage] = now - last.cpu;
      last = stage === "end" ? null : { kind, stage, cpu: now };
    });
  });
  const { report, error, code } = await page.evaluate(
    (settings) =>
      new Promise((resolve, reject) => {
        const worker = new Worker("/bench/worker.js", { type: "module" });
        worker.onmessage = ({ data }) => (data.mark ? window.mark(...data.mark) : resolve(data));
        worker.onerror = (event) => reject(new Error(event.message));
        worker.postMessage(settings);
      }),
    { params_digest, worker, task, threads },
  );
  if (error) throw new Error(`${code}: ${error}`);
  await marks;
  report.cpu_ms = cpu;
  report.peak_mb = (await renderer(browserServer.process().pid)).peak;
  report.browser = browser.version();
  await writeFile(join(directory, "browser.json"), JSON.stringify(report, null, 2));
  print(native, report);
} finally {
  await browserServer.close();
  server.close();
}

function print(native, browser) {
  const show = (ms) => (ms === undefined ? "-" : (ms / 1000).toFixed(2));
  const ratio = (a, b) => (a && b ? (b / a).toFixed(1) : "-");
  const line = (name, ...cells) => console.log(name.padEnd(22) + cells.map((cell) => cell.padStart(10)).join(""));
  const row = (name, [a, cpuA], [b, cpuB]) =>
    line(name, show(a), show(b), ratio(a, b), show(cpuA), show(cpuB), ratio(cpuA, cpuB));
  console.log(`${browser.threads} threads, Chromium ${browser.browser}; seconds\n`);
  line("", "native", "Chromium", "ratio", "CPU", "CPU", "ratio");
  row("module and threads", [], [browser.load_ms]);
  row("ready, key cached", [native.ready_ms, native.cpu_ms.ready.all], [browser.ready_ms, browser.cpu_ms.ready?.all]);
  for (const kind of ["transfer", "aggregate"]) {
    const sum = (parts) => Object.values(parts).reduce((a, b) => a + b, 0);
    const [a, b] = [native.cpu_ms[kind], browser.cpu_ms[kind]];
    row(kind, [native[kind].ms, sum(a)], [browser[kind].ms, sum(b)]);
    for (const stage of Object.keys(browser[kind].stages)) {
      row(`  ${stage}`, [native[kind].stages[stage], a[stage]], [browser[kind].stages[stage], b[stage]]);
    }
  }
  line("\nmemory, MB", String(native.peak_mb), `${browser.peak_mb}`, ratio(native.peak_mb, browser.peak_mb));
  console.log(`(peak of the process; ${browser.aggregate.memory_mb} MB of WebAssembly memory)`);
}
