// Numbers, money and times in the reader's own language and time zone.

const number = new Intl.NumberFormat();

export const count = (value) => number.format(value);

const short = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1, roundingMode: "trunc" });
const LONG = 10_000_000;

/** "10M" where the whole figure has no room on a phone; never more than there is. */
export const brief = (value) => (value < LONG ? count(value) : short.format(value));

export const plural = (value, one, many) => `${count(value)} ${value === 1 ? one : many}`;

/** `amount` in minor units: 1900 is $19. */
export function money(amount, currency) {
  const style = { style: "currency", currency, trailingZeroDisplay: "stripIfInteger" };
  const format = new Intl.NumberFormat(undefined, style);
  return format.format(amount / 10 ** format.resolvedOptions().maximumFractionDigits);
}

const DAY = 24 * 60 * 60 * 1000;

const sameDay = (one, other) => one.toDateString() === other.toDateString();

const clock = (at) => at.toLocaleTimeString(undefined, { hour: "numeric", minute: "2-digit" });

/** "today at 18:00", "tomorrow at 01:00", "1 December at 01:00". */
export function moment(iso) {
  const at = new Date(iso);
  const now = new Date();
  if (sameDay(at, now)) return `today at ${clock(at)}`;
  if (sameDay(at, new Date(now.getTime() + DAY))) return `tomorrow at ${clock(at)}`;
  return `${at.toLocaleDateString(undefined, { day: "numeric", month: "long" })} at ${clock(at)}`;
}

/** "21 December", with the year where it is another one. */
export function date(iso) {
  const at = new Date(iso);
  const year = at.getFullYear() === new Date().getFullYear() ? undefined : "numeric";
  return at.toLocaleDateString(undefined, { day: "numeric", month: "long", year });
}

/** "at 18:00" within a day, else "1 Dec". */
export function soon(iso) {
  const at = new Date(iso);
  if (Math.abs(at - new Date()) <= DAY) return `at ${clock(at)}`;
  return at.toLocaleDateString(undefined, { day: "numeric", month: "short" });
}

/** As short as a list needs: the time today, else the day. */
export function stamp(iso) {
  const at = new Date(iso);
  return sameDay(at, new Date())
    ? clock(at)
    : at.toLocaleDateString(undefined, { day: "numeric", month: "short" });
}

const dayOfMonth = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", timeZone: "UTC" });
const monthOfYear = new Intl.DateTimeFormat(undefined, { month: "long", year: "numeric", timeZone: "UTC" });

/** "1 Dec", in UTC, as usage is counted. */
export const day = (iso) => dayOfMonth.format(new Date(iso));

/** "2026-12" as "December 2026". */
export const month = (name) => monthOfYear.format(new Date(`${name}-01`));

/** A decimal `amount` to the last of its digits, or to as many as `places`. */
export function cost({ amount, currency }, places = 9) {
  const digits = { minimumFractionDigits: 2, maximumFractionDigits: places };
  return new Intl.NumberFormat(undefined, { style: "currency", currency, ...digits }).format(amount);
}
