import type { VolumeRow } from './rows';

/** The dialog that stands over a page of volumes. */
export type Open =
  | { kind: 'create' | 'prune' }
  | { kind: 'remove'; rows: VolumeRow[] }
  | { kind: 'export' | 'import' | 'clone'; row: VolumeRow };
