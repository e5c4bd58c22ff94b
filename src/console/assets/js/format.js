// Numbers, sizes and times as people read them. Pure: knows neither the page nor the server.

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
const whole = new Intl.NumberFormat("en");
const dates = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const SPANS = [
  ["year", 31_557_600],
  ["month", 2_629_800],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

/** Bytes with a unit. */
export function bytes(count) {
  if (count === null || count === undefined || Number.isNaN(Number(count))) return "–";
  let value = Number(count);
  let unit = 0;
  while (Math.abs(value) >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

/** Bytes per second. */
export function rate(perSecond) {
  return `${bytes(perSecond)}/s`;
}

/** A whole number with separators. */
export function number(count) {
  return count === null || count === undefined ? "–" : whole.format(count);
}

/** `1 object`, `2 objects`. */
export function plural(count, noun, many = `${noun}s`) {
  return `${whole.format(count)} ${count === 1 ? noun : many}`;
}

/** A share in percent. */
export function percent(part, of) {
  if (!of) return "0 %";
  const share = (100 * part) / of;
  return `${share >= 10 || share === 0 ? Math.round(share) : share.toFixed(1)} %`;
}

/** A date and time of day. */
export function date(text) {
  const moment = new Date(text);
  return Number.isNaN(moment.getTime()) ? "–" : dates.format(moment);
}

/** A time of day. */
export function time(text) {
  const moment = new Date(text);
  return Number.isNaN(moment.getTime()) ? "–" : clock.format(moment);
}

/** A time of day, with the date unless it is today. */
export function moment(text, now = new Date()) {
  return new Date(text).toDateString() === now.toDateString() ? time(text) : date(text);
}

/** How long ago, or in how long. */
export function ago(text, now = Date.now()) {
  const seconds = (new Date(text).getTime() - now) / 1000;
  if (Number.isNaN(seconds)) return "–";
  for (const [unit, length] of SPANS) {
    if (Math.abs(seconds) >= length || unit === "second") return relative.format(Math.round(seconds / length), unit);
  }
  return "now";
}

/** A duration in its two largest units. */
export function duration(seconds) {
  if (!Number.isFinite(seconds)) return "–";
  const total = Math.max(0, Math.round(seconds));
  const [days, hours] = [Math.floor(total / 86_400), Math.floor(total / 3_600) % 24];
  const [minutes, rest] = [Math.floor(total / 60) % 60, total % 60];
  if (days > 0) return `${days} d ${hours} h`;
  if (hours > 0) return `${hours} h ${minutes} min`;
  if (minutes > 0) return `${minutes} min ${rest} s`;
  return `${rest} s`;
}

/** Milliseconds, or seconds if they are many. */
export function millis(value) {
  if (value === null || value === undefined) return "–";
  if (value >= 10_000) return `${(value / 1000).toFixed(1)} s`;
  return `${value >= 100 ? Math.round(value) : Number(value.toPrecision(2))} ms`;
}

/** Reads a size as people write it: `10 GiB`, `500M`, `12345`. Units are powers of 1024; `null` if it is none. */
export function parseBytes(text) {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([kmgtp]?)(?:i?b)?\s*$/i.exec(text);
  if (!match) return null;
  const power = ["", "k", "m", "g", "t", "p"].indexOf(match[2].toLowerCase());
  const size = Math.round(Number(match[1]) * 1024 ** power);
  return Number.isSafeInteger(size) ? size : null;
}

/** What `parseBytes` reads back unchanged. */
export function writeBytes(count) {
  if (count === null || count === undefined) return "";
  let unit = 0;
  let value = count;
  while (value >= 1024 && value % 1024 === 0 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return unit === 0 ? String(value) : `${value} ${UNITS[unit]}`;
}

/** The last name in a key; a folder keeps its slash. */
export function baseName(key) {
  const end = key.endsWith("/") ? key.length - 1 : key.length;
  return key.slice(key.lastIndexOf("/", end - 1) + 1);
}

/** A key as a line: what cannot be seen is shown by its code. */
export function visible(key) {
  return key.replace(
    /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g,
    (mark) => `\u2039${mark.codePointAt(0).toString(16).padStart(2, "0")}\u203a`,
  );
}
