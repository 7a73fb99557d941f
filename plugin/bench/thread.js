// One thread of the pool.
import init, { death_flag, run_pool_thread } from "/wasm/crowdfold_plugin.js";

self.onmessage = async ({ data: { module, memory } }) => {
  try {
    await init({ module_or_path: module, memory });
    self.postMessage("loaded");
    run_pool_thread();
  } catch (error) {
    Atomics.store(new Int32Array(memory.buffer), death_flag() / 4, 1);
    throw error;
  }
};
