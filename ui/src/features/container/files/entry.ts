import type { PathStat } from '$lib/api/generated';
import type { Kind, Member } from './tar/header';

/** What stands in a folder of a container. */
export interface Entry {
  name: string;
  kind: Kind;
  /** Permissions, with set-ID and sticky bits. */
  mode: number;
  uid: number;
  gid: number;
  size: number;
  /** Seconds since the epoch. */
  mtime: number;
  /** Of a link: where it points to, as it is written. */
  target?: string;
}

// Go's `fs.FileMode`, in which the engine gives modes.
const GO = { folder: 2 ** 31, symlink: 2 ** 27, device: 2 ** 26, pipe: 2 ** 25, socket: 2 ** 24, character: 2 ** 21 };
const has = (mode: number, bit: number) => Math.floor(mode / bit) % 2 === 1;

/** What a stat of the engine is about. */
export function kindOf({ mode }: PathStat): Kind {
  if (has(mode, GO.folder)) return 'folder';
  if (has(mode, GO.symlink)) return 'symlink';
  if (has(mode, GO.pipe)) return 'pipe';
  if (has(mode, GO.device)) return has(mode, GO.character) ? 'character device' : 'block device';
  return has(mode, GO.socket) ? 'other' : 'file';
}

/** The kind in `st_mode` of stat(2). */
export function kindOfStat(mode: number): Kind {
  const kinds: Record<number, Kind> = {
    0o040000: 'folder',
    0o100000: 'file',
    0o120000: 'symlink',
    0o020000: 'character device',
    0o060000: 'block device',
    0o010000: 'pipe',
  };
  return kinds[mode & 0o170000] ?? 'other';
}

export function entryOf(name: string, { kind, mode, uid, gid, size, mtime, target }: Member): Entry {
  // A second name of a file is a file to who looks.
  const as = kind === 'hardlink' ? 'file' : kind;
  return { name, kind: as, mode, uid, gid, size, mtime, ...(kind === 'symlink' && { target }) };
}

const LETTERS: Record<Kind, string> = {
  file: '-',
  folder: 'd',
  symlink: 'l',
  hardlink: '-',
  'character device': 'c',
  'block device': 'b',
  pipe: 'p',
  other: 's',
};

/** `drwxr-sr-x`, as ls writes it. */
export function modeWords(kind: Kind, mode: number): string {
  const bit = (mask: number, letter: string) => (mode & mask ? letter : '-');
  const special = (mask: number, execute: number, letter: string) =>
    mode & mask ? (mode & execute ? letter : letter.toUpperCase()) : bit(execute, 'x');
  return (
    LETTERS[kind] +
    bit(0o400, 'r') +
    bit(0o200, 'w') +
    special(0o4000, 0o100, 's') +
    bit(0o040, 'r') +
    bit(0o020, 'w') +
    special(0o2000, 0o010, 's') +
    bit(0o004, 'r') +
    bit(0o002, 'w') +
    special(0o1000, 0o001, 't')
  );
}

/** Folders first, then by name as people count. */
export function inOrder(one: Entry, other: Entry): number {
  return Number(other.kind === 'folder') - Number(one.kind === 'folder') || byName.compare(one.name, other.name);
}

const byName = new Intl.Collator(undefined, { numeric: true });

/** `name` in the folder `path`. */
export function within(path: string, name: string): string {
  return path === '/' ? `/${name}` : `${path}/${name}`;
}

/** The folder that `path` is in. */
export function parentOf(path: string): string {
  const at = path.lastIndexOf('/');
  return at <= 0 ? '/' : path.slice(0, at);
}

export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** An absolute path without `.`, `..`, doubled slashes and one at the end; as it is written, links not followed. */
export function plainPath(path: string): string {
  const steps: string[] = [];
  for (const step of path.split('/')) {
    if (step === '..') steps.pop();
    else if (step !== '' && step !== '.') steps.push(step);
  }
  return `/${steps.join('/')}`;
}
