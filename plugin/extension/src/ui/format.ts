/**
 * Numbers for people: amounts, times, sizes, hashes; in the browser's language.
 *
 * Amounts are exact integers until the last step and are cut, never rounded up: nobody is shown a token more than
 * they hold.
 */

const UNIT = 10n ** 18n;
const DECIMALS = 18;

/** An amount as shown: `text` short, `exact` every digit, `sign` for colour and wording. */
export interface Amount {
  text: string;
  exact: string;
  sign: -1 | 0 | 1;
}

/** The amount's integer, or 0 when the text is none: a broken number must not take the page down. */
export function units(amount: string): bigint {
  return /^-?\d{1,60}$/.test(amount) ? BigInt(amount) : 0n;
}

/** Amount without its unit; `signed` puts a plus before a gain. */
export function amount(value: string | bigint, options: { signed?: boolean; locale?: string } = {}): Amount {
  const exact = typeof value === "bigint" ? value : units(value);
  const sign = exact > 0n ? 1 : exact < 0n ? -1 : 0;
  const size = sign < 0 ? -exact : exact;
  const signs = sign < 0 ? "−" : options.signed === true && sign > 0 ? "+" : "";
  return { text: short(size, signs, options.locale), exact: `${signs}${full(size)} ZKPoW`, sign };
}

/** Decimal digits that say enough: all that matter of a small amount, few of a large one. */
function short(size: bigint, signs: string, locale: string | undefined): string {
  const digits = size >= 1000n * UNIT ? 2 : size >= UNIT ? 4 : size >= UNIT / 1000n ? 5 : 7;
  const smallest = 10n ** BigInt(DECIMALS - 7);
  if (size > 0n && size < smallest) return `${signs}< ${decimal(smallest, 7, locale)}`;
  return signs + decimal(size, digits, locale);
}

function decimal(size: bigint, digits: number, locale: string | undefined): string {
  const step = 10n ** BigInt(DECIMALS - digits);
  const cut = size - (size % step);
  const least = size === 0n ? 0 : Math.min(2, digits);
  const format = new Intl.NumberFormat(locale, { minimumFractionDigits: least, maximumFractionDigits: digits });
  return localised(format, full(cut));
}

/** `Intl` takes an exact decimal as text, which TypeScript's library does not say yet. */
function localised(format: Intl.NumberFormat, exact: string): string {
  return format.format(exact as unknown as number);
}

function full(size: bigint): string {
  const whole = size / UNIT;
  const rest = (size % UNIT).toString().padStart(DECIMALS, "0").replace(/0+$/, "");
  return rest === "" ? `${whole}` : `${whole}.${rest}`;
}

/** A whole number with the language's grouping. */
export function count(value: number | bigint | string, locale?: string): string {
  const number = typeof value === "string" ? (/^\d{1,30}$/.test(value) ? BigInt(value) : 0n) : value;
  return new Intl.NumberFormat(locale).format(number);
}

/** Thousandths as per cent. */
export function percent(permille: number, locale?: string): string {
  const part = Math.min(Math.max(permille, 0), 1000) / 1000;
  return new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: 0 }).format(Math.floor(part * 100) / 100);
}

/** A length of time in its two largest units: "1 min 20 s". */
export function duration(ms: number, locale?: string): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const unit = (value: number, name: string): string =>
    new Intl.NumberFormat(locale, { style: "unit", unit: name, unitDisplay: "short" }).format(value);
  if (seconds < 60) return unit(seconds, "second");
  const pairs: [number, string][] = [[86_400, "day"], [3_600, "hour"], [60, "minute"], [1, "second"]];
  const first = pairs.findIndex(([length]) => seconds >= length);
  const [large, largeName] = pairs[first] ?? [1, "second"];
  const [small, smallName] = pairs[first + 1] ?? [1, "second"];
  const rest = Math.floor((seconds % large) / small);
  const head = unit(Math.floor(seconds / large), largeName);
  return rest === 0 ? head : `${head} ${unit(rest, smallName)}`;
}

/** A time that is measured, not estimated: tenths matter below a minute. */
export function measured(ms: number, locale?: string): string {
  if (ms >= 60_000) return duration(ms, locale);
  const format = { style: "unit", unit: "second", unitDisplay: "short", maximumFractionDigits: 1 } as const;
  return new Intl.NumberFormat(locale, format).format(ms / 1000);
}

/** How long ago, in words; "just now" below a minute. */
export function ago(at_ms: number, now_ms: number, locale?: string): string {
  const seconds = Math.round((now_ms - at_ms) / 1000);
  if (seconds < 60) return "just now";
  const format = new Intl.RelativeTimeFormat(locale, { numeric: "always", style: "short" });
  if (seconds < 3_600) return format.format(-Math.floor(seconds / 60), "minute");
  if (seconds < 86_400) return format.format(-Math.floor(seconds / 3_600), "hour");
  return format.format(-Math.floor(seconds / 86_400), "day");
}

/** Date and time to the second. */
export function moment(at_ms: number, locale?: string): string {
  return new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "medium" }).format(at_ms);
}

/** A day of the history (YYYY-MM-DD), short: "3 Mar". */
export function dayName(day: string, locale?: string): string {
  const [year, month, date] = day.split("-").map(Number);
  if (year === undefined || month === undefined || date === undefined) return day;
  const format = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short" });
  return format.format(new Date(year, month - 1, date));
}

/** Bytes in decimal units. */
export function bytes(value: number, locale?: string): string {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte"] as const;
  const at = Math.min(units.length - 1, value < 1 ? 0 : Math.floor(Math.log10(value) / 3));
  const digits = at < 2 ? 0 : 1;
  const style = { style: "unit", unitDisplay: "short", maximumFractionDigits: digits } as const;
  return new Intl.NumberFormat(locale, { ...style, unit: units[at] ?? "byte" }).format(value / 1000 ** at);
}

/** A hash or address with its middle left out. */
export function shortHex(value: string): string {
  return value.length <= 14 ? value : `${value.slice(0, 8)}…${value.slice(-4)}`;
}

/** Host and port of a node's address. */
export function hostOf(url: string): string {
  try {
    return new URL(url).host;
  } catch {
    return url;
  }
}
