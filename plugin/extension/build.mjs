// Bundles the extension into plugin/dist/extension: six entry points, the files of public/, and the WebAssembly
// module from plugin/dist/wasm. Output depends on nothing but the sources: no time, no path, no environment.
import { build } from "esbuild";
import { cp, mkdir, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "../dist/extension");
const wasm = join(here, "../dist/wasm");

const exists = (path) => stat(path).then(() => true, () => false);

await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });
await build({
  absWorkingDir: here,
  entryPoints: ["service-worker", "offscreen", "prover-worker", "pool-thread", "popup", "options"].map((name) => `src/${name}.ts`),
  outdir: out,
  bundle: true,
  format: "esm",
  target: "chrome116",
  // Readable for the reviewers of a store; the WebAssembly module is what weighs.
  minify: false,
  legalComments: "none",
  charset: "utf8",
  logLevel: "warning",
});
await cp(join(here, "public"), out, { recursive: true });
if (await exists(wasm)) {
  await cp(wasm, join(out, "wasm"), { recursive: true, filter: (path) => !path.endsWith(".d.ts") });
} else if (!process.argv.includes("--without-wasm")) {
  throw new Error(`${wasm} is missing: scripts/plugin builds it (--without-wasm bundles the rest)`);
}
