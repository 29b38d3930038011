import { Refused } from '$lib/api/call';
import * as archives from '$lib/api/archive';
import * as exec from '$lib/api/exec';
import type { Backend } from '$lib/backend/backend';
import { entryOf, inOrder, kindOf, kindOfStat, type Entry } from './entry';
import { members } from './tar/read';

/**
 * How the content of a folder is told. The Engine API has no request for it, so there are two ways:
 *
 * - a running container with `find` and `stat` (BusyBox's or GNU's) is asked by an exec. It costs nothing, shows what is mounted over, and
 *   is exact.
 * - all others (stopped, paused, without these programs) are asked for the folder as a tar, of which only headers are looked at. The
 *   engine sends bodies too, so this is given up after a number of bytes: then the listing says that it is not complete.
 */
export interface Listing {
  entries: Entry[];
  by: 'exec' | 'archive';
  /** Bytes after which the archive was given up; not given when all of it was read. */
  givenUpAfter?: number;
  /** What the program complained of, as a folder that may not be read. */
  complaint?: string;
}

/** Bytes of an archive that are looked through before the person is asked. */
export const FIRST_LOOK = 64 * 1024 * 1024;
/** More entries than this no list is useful for. */
const MOST_ENTRIES = 50_000;

export type Asking = { id: string; path: string; running: boolean; look?: number; signal?: AbortSignal };

/** Lists a folder; `path` is absolute and plain. */
export async function list(backend: Backend, asking: Asking): Promise<Listing> {
  if (asking.running) {
    const told = await byExec(backend, asking);
    if (told !== undefined) return told;
  }
  return byArchive(backend, asking);
}

// A name may hold anything but a slash and a zero; what begins a record no sane name holds.
const MARK = '\x1e';
const FORMAT = `${MARK}%f %u %g %s %Y %n\x1f%N`;
/** No such program, or it may not be run (POSIX shell, 2.8.2; the engine answers the same). */
const NO_PROGRAM = [126, 127];

async function byExec(backend: Backend, { id, path, signal }: Asking): Promise<Listing | undefined> {
  // The slash follows a link to a folder. Root sees all; `{} +` asks for many at once.
  const folder = path === '/' ? '/' : `${path}/`;
  const command = ['find', folder, '-mindepth', '1', '-maxdepth', '1', '-exec', 'stat', '-c', FORMAT, '{}', '+'];
  let outcome: exec.Outcome;
  try {
    outcome = await exec.run(backend, id, command, { User: '0', signal });
  } catch (error) {
    // It stopped meanwhile, or has no such program: the archive tells, or says what is wrong.
    if (error instanceof Refused) return undefined;
    throw error;
  }
  const entries = parse(outcome.stdout);
  if (outcome.code === 0) return { entries, by: 'exec' };
  // Also of a find that runs and a stat that is not there.
  if (NO_PROGRAM.includes(outcome.code) || entries.length === 0) return undefined;
  return { entries, by: 'exec', complaint: outcome.stderr.trim() };
}

/** The records that `stat` wrote. */
export function parse(output: string): Entry[] {
  const entries: Entry[] = [];
  for (const record of output.split(MARK)) {
    const found = /^([0-9a-f]+) (\d+) (\d+) (\d+) (-?\d+) ([^\x1f]*)\x1f([^]*?)\n?$/.exec(record);
    if (found === null) continue;
    const [, mode, uid, gid, size, mtime, path, quoted] = found;
    const raw = parseInt(mode!, 16);
    const kind = kindOfStat(raw);
    entries.push({
      name: path!.slice(path!.lastIndexOf('/') + 1),
      kind,
      mode: raw & 0o7777,
      uid: Number(uid),
      gid: Number(gid),
      size: Number(size),
      mtime: Number(mtime),
      ...(kind === 'symlink' && { target: targetIn(quoted!) }),
    });
  }
  return entries.sort(inOrder);
}

// `'name' -> 'target'`: in single or double quotes, as the name needs.
function targetIn(quoted: string): string | undefined {
  return / -> (['"])([^]*)\1$/.exec(quoted)?.[2];
}

async function byArchive(backend: Backend, { id, path, look = FIRST_LOOK, signal }: Asking): Promise<Listing> {
  // `/.` makes a link to a folder the folder, and refuses what is none.
  const { stat, tar } = await archives.get(backend, id, path === '/' ? '/' : `${path}/.`, { signal });
  if (kindOf(stat) !== 'folder') {
    await tar.cancel();
    throw new NoFolder(path);
  }
  const entries = new Map<string, Entry>();
  let looked = 0;
  let complete = true;
  let base: string | undefined;
  for await (const member of members(tar)) {
    const name = member.name.replace(/\/+$/, '');
    // The first member is the folder itself, under a name of its own (`./`, `etc/`, `/`).
    if (base === undefined) {
      base = `${name}/`;
      continue;
    }
    const below = name.startsWith(base) ? name.slice(base.length) : name;
    const step = below.split('/').find((part) => part !== '' && part !== '.');
    if (step !== undefined && below === step) entries.set(step, entryOf(step, member));
    looked += 512 + member.size;
    if (looked > look || entries.size >= MOST_ENTRIES) {
      complete = false;
      break;
    }
  }
  return { entries: [...entries.values()].sort(inOrder), by: 'archive', ...(!complete && { givenUpAfter: look }) };
}

/** What was asked for as a folder is none. */
export class NoFolder extends Error {
  override readonly name = 'NoFolder';
  constructor(readonly path: string) {
    super(`${path} is not a folder`);
  }
}
