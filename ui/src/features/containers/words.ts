import { t } from '$lib/i18n/index.svelte';
import type { Row } from './rows';

/** A container's state as a person says it. */
export function stateWords(row: Pick<Row, 'state' | 'health' | 'exitCode'>): string {
  const m = t().containers;
  if (row.state === 'exited' && row.exitCode !== undefined) return m.exited(row.exitCode);
  if (row.state === 'restarting' && row.exitCode !== undefined) return m.restartingAfter(row.exitCode);
  if (row.health !== undefined) return m.withHealth(m.state[row.state], m.health[row.health]);
  return m.state[row.state];
}

/** What a code means, and the engine's own words. */
export function stateHint(row: Row): string {
  const known =
    row.state === 'exited' && row.exitCode !== undefined ? t().containers.exitHint[row.exitCode] : undefined;
  return known === undefined ? row.status : `${known}\n${row.status}`;
}
