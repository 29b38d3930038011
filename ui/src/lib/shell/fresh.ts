import type { Machine } from '$lib/live/machine.svelte';

/** Whether there never was a machine: there is no disk of one. Where there is, it is looked for with a daemon (`Machine`). */
export function isFresh({ phase, status }: Pick<Machine, 'phase' | 'status'>): boolean {
  return phase === 'stopped' && (status === undefined || (!status.has_disk && status.steps.length === 0));
}
