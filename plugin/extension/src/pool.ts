/**
 * The thread pool: workers that load the module over the same memory and become its threads.
 *
 * All have loaded before the pool is made, because making it blocks until every thread has found its worker. A thread
 * that is trapped says so in shared memory: whoever waits for it looks there.
 */

import { describe } from "./trouble";
import type { Door } from "./wasm";

/** To a thread's worker, once. */
export interface ThreadStart {
  module: WebAssembly.Module;
  memory: WebAssembly.Memory;
}

export type FromThread = { type: "loaded" } | { type: "died"; detail: string };

export async function startPool(
  door: Door,
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
  threads: number,
  onDeath: (detail: string) => void,
): Promise<void> {
  const start: ThreadStart = { module, memory };
  const load = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const worker = new Worker(new URL("./pool-thread.js", import.meta.url), { type: "module", name: "thread" });
      const died = (detail: string): void => {
        onDeath(detail);
        reject(new Error(detail));
      };
      worker.onmessage = (event: MessageEvent<FromThread>) => {
        if (event.data.type === "loaded") resolve();
        else died(event.data.detail);
      };
      worker.onerror = (event) => died(describe(event.message));
      worker.postMessage(start);
    });
  await Promise.all(Array.from({ length: threads }, load));
  door.build_pool(threads);
}
