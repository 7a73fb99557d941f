/** Where the bars of the earnings chart are; numbers only, so that they can be tested without a page. */
import type { Day } from "../messages";
import { units } from "./format";

export interface Bar {
  day: string;
  earned: bigint;
  penalties: bigint;
  proofs: number;
  /** Heights as parts of the chart's height, 0 … 1. */
  up: number;
  down: number;
}

export interface Scale {
  bars: Bar[];
  /** Where the zero line is, from the top, 0 … 1. */
  zero: number;
  /** The largest of a day, for the axis. */
  max: bigint;
  min: bigint;
}

/** A visible sliver, so that a small reward beside a large one is not nothing. */
const SLIVER = 0.012;

/** The last `length` days up to `today` (YYYY-MM-DD), with empty ones filled in. */
export function scale(days: readonly Day[], today: string, length: number): Scale {
  const known = new Map(days.map((day) => [day.day, day]));
  const rows = lastDays(today, length).map((name) => {
    const day = known.get(name);
    return { day: name, earned: units(day?.earned ?? "0"), penalties: size(day?.penalties ?? "0"), proofs: day?.proofs ?? 0 };
  });
  const max = rows.reduce((most, row) => (row.earned > most ? row.earned : most), 0n);
  const min = rows.reduce((most, row) => (row.penalties > most ? row.penalties : most), 0n);
  const range = max + min;
  const part = (value: bigint): number => {
    if (range === 0n || value <= 0n) return 0;
    return Math.max(Number((value * 1_000_000n) / range) / 1_000_000, SLIVER);
  };
  const zero = range === 0n ? 1 : Number((max * 1_000_000n) / range) / 1_000_000;
  return { bars: rows.map((row) => ({ ...row, up: part(row.earned), down: part(row.penalties) })), zero, max, min };
}

function size(amount: string): bigint {
  const value = units(amount);
  return value < 0n ? -value : value;
}

/** Day names that end with `today`, oldest first. */
export function lastDays(today: string, length: number): string[] {
  const [year = 1970, month = 1, date = 1] = today.split("-").map(Number);
  return Array.from({ length }, (_, at) => {
    // Noon in UTC: no clock change can move it to another day.
    const day = new Date(Date.UTC(year, month - 1, date - (length - 1 - at), 12));
    return day.toISOString().slice(0, 10);
  });
}

/** The local day of a moment, as the history names it. */
export function localDay(at_ms: number): string {
  const at = new Date(at_ms);
  const two = (value: number): string => String(value).padStart(2, "0");
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}
