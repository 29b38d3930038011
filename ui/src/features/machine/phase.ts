import type { Tone } from '$lib/kit/tone';
import type { Standing } from '$lib/live/machine.svelte';

export const TONES: Record<Standing, Tone> = {
  stopped: 'quiet',
  starting: 'info',
  running: 'good',
  stopping: 'info',
  resetting: 'warn',
  failed: 'bad',
  unknown: 'warn',
};
