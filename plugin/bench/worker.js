// Loads the module, makes the pool and the prover, proves what it is given.
import init, { build_pool, Prover } from "/wasm/crowdfold_plugin.js";

const bytes = async (path) => new Uint8Array(await (await fetch(path)).arrayBuffer());

async function pool(module, memory, threads) {
  const load = () =>
    new Promise((resolve, reject) => {
      const worker = new Worker("/bench/thread.js", { type: "module" });
      worker.onmessage = resolve;
      worker.onerror = (event) => reject(new Error(event.message));
      worker.postMessage({ module, memory });
    });
  await Promise.all(Array.from({ length: threads }, load));
  build_pool(threads);
}

/** A proof and the milliseconds of each stage. */
function prove(kind, prover, packed, task, worker) {
  const stages = {};
  let [name, since] = [null, 0];
  const start = performance.now();
  const proof = prover.prove(packed, BigInt(task), worker, (stage) => {
    const now = performance.now();
    if (stage !== name) {
      if (name) stages[name] = Math.round(now - since);
      [name, since] = [stage, now];
      self.postMessage({ mark: [kind, stage] });
    }
    return true;
  });
  const end = performance.now();
  self.postMessage({ mark: [kind, "end"] });
  stages[name] = Math.round(end - since);
  return { proof, times: { ms: Math.round(end - start), stages } };
}

self.onmessage = async ({ data: { threads, params_digest, worker, task } }) => {
  try {
    self.postMessage({ mark: ["ready", "all"] });
    const start = performance.now();
    const module = await WebAssembly.compileStreaming(fetch("/wasm/crowdfold_plugin_bg.wasm"));
    const { memory } = await init({ module_or_path: module });
    await pool(module, memory, threads);
    const loaded = performance.now();
    const prover = new Prover(await bytes("/key"), params_digest);
    self.postMessage({ mark: ["ready", "end"] });
    const report = {
      threads,
      load_ms: Math.round(loaded - start),
      ready_ms: Math.round(performance.now() - start),
      ready_memory_mb: memory.buffer.byteLength >> 20,
    };
    for (const kind of ["transfer", "aggregate"]) {
      const { proof, times } = prove(kind, prover, await bytes(`/packages/${kind}.package`), task, worker);
      report[kind] = { ...times, memory_mb: memory.buffer.byteLength >> 20 };
      await fetch(`/proofs/${kind}`, { method: "POST", body: proof });
    }
    self.postMessage({ report });
  } catch (error) {
    self.postMessage({ error: String(error), code: error?.code });
  }
};
