import type { Machine } from '$lib/live/machine.svelte';

/** Whether the machine has, as far as its daemon knows, never run: it is stopped and says nothing of a start. */
export function isFresh({ phase, status }: Pick<Machine, 'phase' | 'status'>): boolean {
  return phase === 'stopped' && (status === undefined || (status.started_at === null && status.steps.length === 0));
}
