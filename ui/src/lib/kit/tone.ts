import type { IconName } from './icons';

/** What a thing says beyond its words. Never the only bearer of it: there is always a text too. */
export type Tone = 'good' | 'bad' | 'warn' | 'info' | 'quiet';

export const TONE_ICONS: Record<Tone, IconName> = {
  good: 'check',
  bad: 'error',
  warn: 'warning',
  info: 'info',
  quiet: 'info',
};
