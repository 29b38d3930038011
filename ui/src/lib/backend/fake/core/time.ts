import type { Failure } from './failure';

/** Times as the engine writes them. Inside the simulation a time is a number of milliseconds, with fractions. */

/** What stands for "never". */
export const NEVER = '0001-01-01T00:00:00Z';

/** RFC 3339 with as many digits as needed; `undefined` is never. */
export function rfc3339(ms: number | undefined): string {
  if (ms === undefined) return NEVER;
  return fixed(ms).replace(/\.?0+Z$/, 'Z');
}

/** RFC 3339 with nine digits always, as in logs. */
export function fixed(ms: number): string {
  const whole = Math.floor(ms / 1000) * 1000;
  const nanos = Math.round((ms - whole) * 1000) * 1000;
  return `${new Date(whole).toISOString().slice(0, 19)}.${String(nanos).padStart(9, '0')}Z`;
}

export function seconds(ms: number): number {
  return Math.floor(ms / 1000);
}

/** A length of time as go-units' `HumanDuration` says it. */
export function human(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor((seconds + 1800) / 3600);
  if (seconds < 1) return 'Less than a second';
  if (seconds === 1) return '1 second';
  if (seconds < 60) return `${seconds} seconds`;
  if (minutes === 1) return 'About a minute';
  if (minutes < 60) return `${minutes} minutes`;
  if (hours === 1) return 'About an hour';
  if (hours < 48) return `${hours} hours`;
  if (hours < 24 * 7 * 2) return `${Math.floor(hours / 24)} days`;
  if (hours < 24 * 30 * 2) return `${Math.floor(hours / 24 / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.floor(hours / 24 / 30)} months`;
  return `${Math.floor(hours / 24 / 365)} years`;
}

const UNITS: Record<string, number> = { ns: 1e-6, us: 1e-3, µs: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Go's durations: `1h30m`; `undefined` for what is none. */
export function duration(text: string): number | undefined {
  if (!/^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/.test(text)) return undefined;
  let sum = 0;
  for (const [, number, , unit] of text.matchAll(/(\d+(\.\d+)?)(ns|us|µs|ms|s|m|h)/g))
    sum += Number(number) * UNITS[unit!]!;
  return sum;
}

/** A time in seconds, or a duration that counts back from `now`. */
export function pointInTime(text: string, now: number, refuse: (words: string) => Failure): number {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000;
  const back = duration(text);
  const absolute = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : NaN;
  if (back === undefined && Number.isNaN(absolute)) {
    throw refuse(`failed to parse value as time or duration: ${JSON.stringify(text)}`);
  }
  return back === undefined ? absolute : now - back;
}
