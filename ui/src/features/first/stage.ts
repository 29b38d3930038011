import type { Phase } from '$lib/api/generated/daemon';

export const STAGES = ['check', 'start', 'sample'] as const;
export type Stage = (typeof STAGES)[number];

/** Which part of the way the machine is on. */
export function stageOf(phase: Phase | undefined): Stage | undefined {
  switch (phase) {
    case 'stopped':
      return 'check';
    case 'starting':
    case 'failed':
    case 'stopping':
    case 'resetting':
      return 'start';
    case 'running':
      return 'sample';
    case undefined:
      return undefined;
  }
}
