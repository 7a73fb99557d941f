// Serves popup and options, bundled from the sources, with the mock engine in place of the real one, under the
// extension's own content security policy. Tests and screenshots import it; serve.mjs is for
// a look by hand.
import { build } from "esbuild";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";

const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".png": "image/png", ".json": "application/json" };

/** Starts the server; `root` is the folder of package.json. */
export async function serveMock(root, port = 0) {
  const pages = join(root, "public");
  const bundle = async (entry, format) => {
    const made = await build({ absWorkingDir: root, entryPoints: [entry], bundle: true, write: false, format, logLevel: "warning" });
    return made.outputFiles[0].text;
  };
  const mock = await bundle("e2e/mock/page.ts", "iife");
  const { STATE_NAMES } = await import(`data:text/javascript,${encodeURIComponent(await bundle("e2e/mock/states.ts", "esm"))}`);
  const scripts = {
    "/mock.js": mock,
    "/popup.js": await bundle("src/popup.ts", "esm"),
    "/options.js": await bundle("src/options.ts", "esm"),
  };
  const manifest = JSON.parse(await readFile(join(root, "public/manifest.json"), "utf8"));
  const policy = manifest.content_security_policy.extension_pages;

  const body = async (path) => {
    if (path === "/") return index(STATE_NAMES);
    if (path === "/favicon.ico") return "";
    if (path in scripts) return scripts[path];
    const file = await readFile(join(pages, normalize(path)));
    return path.endsWith(".html") ? file.toString().replace("<script", '<script src="mock.js"></script>\n    <script') : file;
  };
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://mock").pathname;
    body(path).then(
      (content) => {
        response.writeHead(200, { "content-type": TYPES[extname(path)] ?? "text/html", "content-security-policy": policy });
        response.end(content);
      },
      () => response.writeHead(404).end(),
    );
  });
  server.keepAliveTimeout = 100;
  await new Promise((done) => server.listen(port, "127.0.0.1", done));
  return { url: `http://127.0.0.1:${server.address().port}`, states: STATE_NAMES, close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

function index(states) {
  const row = (name) => `<li>${name}: <a href="popup.html?state=${name}">popup</a> <a href="options.html?state=${name}">options</a></li>`;
  return `<!doctype html><html lang="en"><title>Mock states</title><ul>${states.map(row).join("")}</ul></html>`;
}
