/** The core's settings, from what the user chose and what earlier lives learned. */

import type { Saved } from "./saved";
import type { CoreConfig } from "./wasm";

export function coreConfig(saved: Saved, agent: string, crypto: Crypto): CoreConfig {
  const { settings, pin, speed } = saved;
  const known = pin?.genesis_hash === settings.chain ? pin : null;
  const { params_digest = null, chain_id = null } = known ?? {};
  const [seed = 1n] = crypto.getRandomValues(new BigUint64Array(1));
  return {
    agent,
    lanes: 1,
    expected: settings.chain === null ? null : { genesis_hash: settings.chain, params_digest, chain_id },
    // With fewer threads than it was measured it is slower; with more it may be no faster.
    ms_per_segment:
      speed === null ? null : Math.ceil(speed.ms_per_segment * Math.max(1, speed.threads / settings.threads)),
    seed: seed.toString(),
    registers: true,
  };
}
