import type { Check } from '$lib/api/generated/daemon';

/** What matters before the first start; the others are about what a start makes. */
const FIRST = ['folders', 'hypervisor', 'acceleration', 'guest image', 'room'];

/** The checks that a newcomer is shown: those of what a machine needs, and whatever else stands in the way. */
export function relevant(checks: readonly Check[]): Check[] {
  return checks.filter(({ name, verdict }) => FIRST.includes(name) || (verdict === 'bad' && name !== 'daemon'));
}

/** The worst of them. */
export function worst(checks: readonly Check[]): Check['verdict'] {
  if (checks.some(({ verdict }) => verdict === 'bad')) return 'bad';
  return checks.some(({ verdict }) => verdict === 'notice') ? 'notice' : 'good';
}
