/** One thread of the pool: loads the module over the shared memory and never comes back. */

import type { FromThread, ThreadStart } from "./pool";
import { describe } from "./trouble";
import { type Door, importDoor } from "./wasm";

const post = (message: FromThread): void => {
  (self as unknown as { postMessage(message: FromThread): void }).postMessage(message);
};

self.onmessage = async (event: MessageEvent<ThreadStart>): Promise<void> => {
  const { module, memory } = event.data;
  let door: Door | null = null;
  try {
    door = await importDoor();
    await door.default({ module_or_path: module, memory });
    post({ type: "loaded" });
    door.run_pool_thread();
  } catch (error) {
    // Whoever proves is blocked and reads no messages, but looks at this flag.
    if (door !== null) Atomics.store(new Int32Array(memory.buffer), door.death_flag() / 4, 1);
    post({ type: "died", detail: describe(error) });
  }
};
