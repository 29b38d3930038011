import type { IconName } from '$lib/kit/icons';
import type { Verb } from './rows';

export const VERB_ICONS: Record<Verb, IconName> = {
  start: 'play',
  stop: 'stop',
  restart: 'restart',
  pause: 'pause',
  resume: 'resume',
  kill: 'kill',
  remove: 'trash',
  rename: 'pencil',
};
