import type { Standing } from '$lib/live/machine.svelte';

export const STAGES = ['check', 'start', 'sample'] as const;
export type Stage = (typeof STAGES)[number];

/** Which part of the way the machine is on. */
export function stageOf(phase: Standing | undefined): Stage | undefined {
  switch (phase) {
    case 'stopped':
      return 'check';
    case 'starting':
    case 'failed':
    case 'stopping':
    case 'resetting':
    case 'unknown':
      return 'start';
    case 'running':
      return 'sample';
    case undefined:
      return undefined;
  }
}
