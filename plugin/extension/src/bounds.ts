/** Ranges of what a user may set: the pages check them at the field, the engine once more. */

export const NODES_MAX = 8;
export const URL_LENGTH_MAX = 200;
export const MEMORY_MB = { min: 512, max: 4096 } as const;
export const DATA_MB = { min: 10, max: 1_000_000 } as const;
