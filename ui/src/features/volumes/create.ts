/** What is filled in to make a volume. */
import type { VolumeCreateRequest } from '$lib/api/generated';

export interface Pair {
  name: string;
  value: string;
}

export type NameFault = 'short' | 'characters' | 'taken';

/** What the engine would refuse of a name; it invents one where none is given. */
export function nameFault(name: string, existing: ReadonlySet<string>): NameFault | undefined {
  if (name === '') return undefined;
  if (existing.has(name)) return 'taken';
  if (name.length < 2) return 'short';
  return /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(name) && name.length <= 255 ? undefined : 'characters';
}

/** The positions of pairs that have no name, or one that was given before. */
export function pairFaults(pairs: readonly Pair[]): Map<number, 'name' | 'twice'> {
  const faults = new Map<number, 'name' | 'twice'>();
  const seen = new Set<string>();
  for (const [at, { name, value }] of pairs.entries()) {
    if (name === '' && value === '') continue;
    if (name === '') faults.set(at, 'name');
    else if (seen.has(name)) faults.set(at, 'twice');
    seen.add(name);
  }
  return faults;
}

export function createRequest(
  name: string,
  driver: string,
  options: readonly Pair[],
  labels: readonly Pair[],
): VolumeCreateRequest {
  return {
    ...(name === '' ? {} : { Name: name }),
    ...(driver.trim() === '' ? {} : { Driver: driver.trim() }),
    DriverOpts: record(options),
    Labels: record(labels),
  };
}

function record(pairs: readonly Pair[]): Record<string, string> {
  return Object.fromEntries(pairs.filter((pair) => pair.name !== '').map((pair) => [pair.name, pair.value]));
}
