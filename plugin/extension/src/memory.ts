/**
 * The prover's memory, with the user's limit as its maximum: the browser itself refuses to grow it further.
 *
 * A module says in its import section how much memory it needs at least; the object given to it must have that.
 */

/** Bytes of a page of WebAssembly memory. */
const PAGE_BYTES = 65_536;

interface Limits {
  min: number;
  max: number;
}

class Reader {
  #at: number;

  constructor(
    private readonly bytes: Uint8Array,
    at: number,
  ) {
    this.#at = at;
  }

  get at(): number {
    return this.#at;
  }

  byte(): number {
    const byte = this.bytes[this.#at];
    if (byte === undefined) throw new RangeError("the module ends early");
    this.#at += 1;
    return byte;
  }

  /** An unsigned LEB128 number of at most 32 bits. */
  number(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.byte();
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
      if (factor >= 2 ** 28) throw new RangeError("a number is too long");
    }
  }

  skip(bytes: number): void {
    this.#at += bytes;
  }
}

/** The limits of the memory that a module imports, in pages; null when it imports none. */
export function importedMemory(module: Uint8Array): Limits | null {
  const reader = new Reader(module, 8);
  while (reader.at < module.length) {
    const section = reader.byte();
    const length = reader.number();
    if (section !== 2) {
      reader.skip(length);
      continue;
    }
    for (let count = reader.number(); count > 0; count -= 1) {
      reader.skip(reader.number());
      reader.skip(reader.number());
      const kind = reader.byte();
      if (kind === 0) {
        reader.number();
      } else if (kind === 2) {
        const flags = reader.byte();
        const min = reader.number();
        return { min, max: (flags & 1) === 1 ? reader.number() : PAGE_BYTES };
      } else if (kind === 3) {
        reader.skip(2);
      } else if (kind === 1) {
        reader.skip(1);
        if ((reader.byte() & 1) === 1) reader.number();
        reader.number();
      } else {
        throw new RangeError(`an import of kind ${kind}`);
      }
    }
    return null;
  }
  return null;
}

/** Shared memory for a module, of at most this many megabytes. Throws when the module needs more, or there is none. */
export function memoryFor(module: Uint8Array, megabytes: number): WebAssembly.Memory {
  const limits = importedMemory(module);
  if (limits === null) throw new RangeError("the module imports no memory");
  const maximum = Math.min(limits.max, Math.floor((megabytes * 1_048_576) / PAGE_BYTES));
  if (maximum < limits.min) throw new RangeError(`the prover needs ${(limits.min * PAGE_BYTES) >> 20} MB at least`);
  return new WebAssembly.Memory({ initial: limits.min, maximum, shared: true });
}
