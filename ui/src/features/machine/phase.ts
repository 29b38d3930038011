import type { Phase } from '$lib/api/generated/daemon';
import type { Tone } from '$lib/kit/tone';

export const TONES: Record<Phase, Tone> = {
  stopped: 'quiet',
  starting: 'info',
  running: 'good',
  stopping: 'info',
  resetting: 'warn',
  failed: 'bad',
};
