/** Errors that the user is told about. */

import type { Trouble } from "./messages";

/** An error with a stable code; everything else that is thrown is a bug of the extension. */
export class TroubleError extends Error {
  constructor(
    readonly code: Trouble["code"],
    readonly detail: string,
    options?: ErrorOptions,
  ) {
    super(`${code}: ${detail}`, options);
  }
}

/** Words of anything that was thrown, at most 300 characters. */
export function describe(error: unknown): string {
  const text = error instanceof Error ? (error.message === "" ? error.name : error.message) : String(error);
  return text.slice(0, 300);
}

/** Whether a WebAssembly module ended in a trap, as a panic does. */
export function isTrap(error: unknown): boolean {
  return error instanceof WebAssembly.RuntimeError;
}

/** What to show for anything that was thrown; `otherwise` is the code of an error that carries none. */
export function troubleOf(error: unknown, otherwise: Trouble["code"], at_ms: number): Trouble {
  if (error instanceof TroubleError) return { code: error.code, detail: error.detail.slice(0, 300), at_ms };
  return { code: otherwise, detail: describe(error), at_ms };
}
