import type { ImageRow } from './rows';
import type { Job } from './transfer/jobs.svelte';

/** The dialog that stands over a page of images. */
export type Open =
  | { kind: 'pull' | 'load' | 'prune' }
  | { kind: 'run'; image: string }
  | { kind: 'push'; name: string }
  | { kind: 'tag'; id: string; title: string }
  | { kind: 'save'; names: string[]; titles: string[] }
  | { kind: 'remove'; rows: ImageRow[] }
  | { kind: 'job'; job: Job };
