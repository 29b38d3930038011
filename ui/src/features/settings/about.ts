import type { SystemVersion } from '$lib/api/generated';

/** `Berth 0.1.0`: the engine's own name and version, beside the one that clients of Docker are told. */
export function productOf(version: SystemVersion): string {
  const own = version.Components?.find((one) => one.Name === 'Berth');
  return own === undefined ? version.Platform.Name || version.Version : `Berth ${own.Version}`;
}

const UNITS = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
] as const;

/** How far two clocks are apart, in the largest unit that fits. */
export function away(milliseconds: number, locale: string): string {
  const [unit, size] = UNITS.find(([, size]) => milliseconds >= size) ?? (['second', 1000] as const);
  const format = new Intl.NumberFormat(locale, { style: 'unit', unit, unitDisplay: 'long' });
  return format.format(Math.round(milliseconds / size));
}
