import { locale, t } from '$lib/i18n/index.svelte';

/** The person's own variety of the chosen language: their system knows whether they write 3 pm or 15:00. */
function tag(): string {
  const language = locale().split('-')[0]!;
  const own = typeof navigator === 'undefined' ? [] : navigator.languages;
  return own.find((one) => one.split('-')[0] === language) ?? locale();
}

// Making a formatter costs far more than using one, and tables use thousands.
const formatters = new Map<string, Intl.NumberFormat>();

function number(options: Intl.NumberFormatOptions): Intl.NumberFormat {
  const key = tag() + JSON.stringify(options);
  let found = formatters.get(key);
  if (found === undefined) formatters.set(key, (found = new Intl.NumberFormat(tag(), options)));
  return found;
}

const SIZES = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] as const;
const ROOMS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

/** `1.5 GB`: units of thousand, as the docker command gives sizes of images, volumes, files and traffic. */
export function bytes(n: number): string {
  return sized(n, 1000, SIZES);
}

/** `1.5 GiB`: units of 1024, for memory, as `docker stats` gives it, and for the machine's disk: both are set in them. */
export function room(n: number): string {
  return sized(n, 1024, ROOMS);
}

function sized(n: number, step: number, units: readonly string[]): string {
  if (!Number.isFinite(n)) return '–';
  let size = Math.abs(n);
  let unit = 0;
  // What is half below the step would be rounded to a whole one of the smaller unit.
  while (size >= (unit === 0 ? step : step - 0.5) && unit < units.length - 1) {
    size /= step;
    unit += 1;
  }
  const digits = unit === 0 || size >= 100 ? 0 : size >= 10 ? 1 : 2;
  return `${number({ maximumFractionDigits: digits }).format(n < 0 ? -size : size)} ${units[unit]}`;
}

/** `12.5%` of a fraction: 1 is all, more than that is no error (two busy processors are 200%). */
export function percent(fraction: number): string {
  if (!Number.isFinite(fraction)) return '–';
  const digits = Math.abs(fraction) >= 0.9995 ? 0 : 1;
  return number({ style: 'percent', maximumFractionDigits: digits }).format(fraction);
}

export function count(n: number): string {
  return number({}).format(n);
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const LENGTHS = [
  ['day', DAY],
  ['hour', HOUR],
  ['minute', MINUTE],
  ['second', SECOND],
] as const;

/** `2h 5m`: the largest unit and the one below it. */
export function duration(ms: number): string {
  if (!Number.isFinite(ms)) return '–';
  const length = Math.max(0, ms);
  if (length < SECOND) return part(Math.floor(length), 'millisecond');
  if (length < 10 * SECOND) return part(Math.floor(length / 100) / 10, 'second');
  const at = LENGTHS.findIndex(([, size]) => length >= size);
  const [unit, size] = LENGTHS[at]!;
  const whole = Math.floor(length / size);
  const next = LENGTHS[at + 1];
  const rest = next === undefined ? 0 : Math.floor((length - whole * size) / next[1]);
  return rest === 0 ? part(whole, unit) : `${part(whole, unit)} ${part(rest, next![0])}`;
}

function part(n: number, unit: string): string {
  // The narrowest Chinese leaves some units in English.
  const unitDisplay = locale() === 'zh-CN' ? 'short' : 'narrow';
  return spaced(number({ style: 'unit', unit, unitDisplay }).format(n));
}

/** With the space between figures and Chinese characters that all texts of the pages have. */
function spaced(text: string): string {
  return text.replace(/(\d)(?=\p{Script=Han})/gu, '$1 ');
}

export type Moment = Date | number | string;

/** The instant that `at` names, or undefined if none: the engine writes year 1 for "never". */
export function moment(at: Moment): Date | undefined {
  const date = at instanceof Date ? at : new Date(at);
  return Number.isNaN(date.getTime()) || date.getUTCFullYear() <= 1 ? undefined : date;
}

const AGES = [
  ['year', 365 * DAY],
  ['month', 30 * DAY],
  ['week', 7 * DAY],
  ['day', DAY],
  ['hour', HOUR],
  ['minute', MINUTE],
  ['second', SECOND],
] as const;

/**
 * `3 minutes ago`. Within a minute ahead it is now: the machine's clock may be a little before ours, and nothing is made in the future.
 */
export function relative(at: Moment, now: Moment = Date.now()): string {
  const date = moment(at);
  const from = moment(now);
  if (date === undefined || from === undefined) return '–';
  const away = date.getTime() - from.getTime();
  if (away > -5 * SECOND && away < MINUTE) return t().kit.justNow;
  const [unit, size] = AGES.find(([, size]) => Math.abs(away) >= size)!;
  return spaced(relatives().format(Math.trunc(away / size), unit));
}

const relativeFormatters = new Map<string, Intl.RelativeTimeFormat>();

function relatives(): Intl.RelativeTimeFormat {
  let found = relativeFormatters.get(tag());
  if (found === undefined) {
    relativeFormatters.set(tag(), (found = new Intl.RelativeTimeFormat(tag(), { numeric: 'always' })));
  }
  return found;
}

/** Date and time in full. */
export function absolute(at: Moment): string {
  const date = moment(at);
  return date === undefined ? '–' : dates({ dateStyle: 'medium', timeStyle: 'medium' }).format(date);
}

/** The time of day, with seconds. */
export function clock(at: Moment): string {
  const date = moment(at);
  return date === undefined ? '–' : dates({ timeStyle: 'medium' }).format(date);
}

const dateFormatters = new Map<string, Intl.DateTimeFormat>();

function dates(options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = tag() + JSON.stringify(options);
  let found = dateFormatters.get(key);
  if (found === undefined) dateFormatters.set(key, (found = new Intl.DateTimeFormat(tag(), options)));
  return found;
}
