import * as archives from '$lib/api/archive';
import { Refused } from '$lib/api/call';
import type { PathStat } from '$lib/api/generated';
import type { Backend } from '$lib/backend/backend';
import { baseName, kindOf, parentOf, plainPath } from './entry';
import { members, type Open } from './tar/read';
import type { Member } from './tar/header';
import { archive } from './tar/write';

/** Links beyond this many go in a circle (Linux: 40 too). */
const MOST_LINKS = 40;

/** Where `path` leads to, links followed, and what is there. */
export async function resolve(
  backend: Backend,
  id: string,
  path: string,
  signal?: AbortSignal,
): Promise<{ path: string; stat: PathStat }> {
  let at = path;
  for (let step = 0; step < MOST_LINKS; step++) {
    const stat = await archives.head(backend, id, at, { signal });
    if (kindOf(stat) !== 'symlink') return { path: at, stat };
    const target = stat.linkTarget;
    at = plainPath(target.startsWith('/') ? target : `${parentOf(at)}/${target}`);
  }
  throw new Error(`too many links: ${path}`);
}

export interface Content {
  path: string;
  stat: PathStat;
  member: Member;
  /** The file, or its beginning. */
  bytes: Uint8Array<ArrayBuffer>;
  whole: boolean;
}

/** Reads a file, at most `limit` bytes of it. */
export async function read(
  backend: Backend,
  id: string,
  path: string,
  limit: number,
  signal?: AbortSignal,
): Promise<Content> {
  return first(backend, id, path, signal, async (member, at, stat) => {
    const bytes = await member.bytes(limit);
    const { pieces: _pieces, bytes: _bytes, ...about } = member;
    return { path: at, stat, member: about, bytes, whole: bytes.length === member.size };
  });
}

/** Reads a whole file as parts of a download; `onProgress` is told how many bytes came. */
export async function download(
  backend: Backend,
  id: string,
  path: string,
  onProgress: (bytes: number, of: number) => void,
  signal?: AbortSignal,
): Promise<BlobPart[]> {
  return first(backend, id, path, signal, async (member) => {
    const parts: BlobPart[] = [];
    let came = 0;
    for await (const piece of member.pieces()) {
      parts.push(new Blob([piece]));
      came += piece.length;
      onProgress(came, member.size);
    }
    return parts;
  });
}

async function first<T>(
  backend: Backend,
  id: string,
  path: string,
  signal: AbortSignal | undefined,
  use: (member: Open, at: string, stat: PathStat) => Promise<T>,
): Promise<T> {
  const { path: at } = await resolve(backend, id, path, signal);
  const { stat, tar } = await archives.get(backend, id, at, { signal });
  for await (const member of members(tar)) return await use(member, at, stat);
  throw new Error('the archive is empty');
}

/** The file was changed since it was read. */
export class Changed extends Error {
  override readonly name = 'Changed';
}

/**
 * Writes a file that was read before, with its mode and owner; refuses if it is not as it was then. The engine has no request that does
 * both at once: what is written between the look and the write is lost.
 */
export async function write(
  backend: Backend,
  id: string,
  read: Content,
  bytes: Uint8Array<ArrayBuffer>,
  now: number,
): Promise<void> {
  const stat = await archives.head(backend, id, read.path);
  if (stat.mtime !== read.stat.mtime || stat.size !== read.stat.size || stat.mode !== read.stat.mode)
    throw new Changed(read.path);
  const { mode, uid, gid } = read.member;
  const item = {
    name: baseName(read.path),
    kind: 'file' as const,
    mode,
    uid,
    gid,
    mtime: Math.floor(now / 1000),
    body: bytes,
  };
  await archives.put(backend, id, parentOf(read.path), archive([item]), { keepKinds: true });
}

/** There is something of that name. */
export class Exists extends Error {
  override readonly name = 'Exists';
}

/** Makes a folder; refuses if there is something of that name: the engine would give it a new mode and owner. */
export async function makeFolder(backend: Backend, id: string, path: string, now: number): Promise<void> {
  if (await exists(backend, id, path)) throw new Exists(path);
  const folder = {
    name: baseName(path),
    kind: 'folder' as const,
    mode: 0o755,
    uid: 0,
    gid: 0,
    mtime: Math.floor(now / 1000),
  };
  await archives.put(backend, id, parentOf(path), archive([folder]), { keepKinds: true });
}

async function exists(backend: Backend, id: string, path: string): Promise<boolean> {
  try {
    await archives.head(backend, id, path);
    return true;
  } catch (error) {
    if (error instanceof Refused && error.status === 404) return false;
    throw error;
  }
}

/** A file that somebody chose, under the path that it has below the folder that it goes into. */
export type Upload = { path: string; file: File };

/** Writes files into a folder. Folders that their paths name are made by the engine where there are none, and left alone where there are. */
export async function upload(
  backend: Backend,
  id: string,
  path: string,
  uploads: readonly Upload[],
  signal?: AbortSignal,
): Promise<void> {
  const items = uploads.map(({ path: name, file }) => ({
    name,
    kind: 'file' as const,
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtime: Math.floor(file.lastModified / 1000),
    body: file,
  }));
  await archives.put(backend, id, path, archive(items), { keepKinds: true, signal });
}
