/** Bytes as 0x hexadecimal and back. */

export function toHex(bytes: Uint8Array): string {
  let text = "0x";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}

/** The bytes, or null when the text is not 0x hexadecimal of whole bytes (of the given number, if given). */
export function fromHex(text: unknown, length?: number): Uint8Array<ArrayBuffer> | null {
  if (typeof text !== "string" || !/^0x(?:[0-9a-fA-F]{2})*$/.test(text)) return null;
  const bytes = new Uint8Array(text.length / 2 - 1);
  if (length !== undefined && bytes.length !== length) return null;
  for (let i = 0; i < bytes.length; i += 1) bytes[i] = Number.parseInt(text.slice(2 * i + 2, 2 * i + 4), 16);
  return bytes;
}
