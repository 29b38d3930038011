import type { PathStat } from '$lib/api/generated';
import type { Call } from '../core/call';
import { invalid, notFound, system } from '../core/failure';
import { rfc3339 } from '../core/time';
import { type Entry, pack, unpack } from '../files/tar';
import { type Folder, type Node, PathError, Tree, changes, copy, parts, size } from '../files/tree';
import type { Container } from './container';

/** What every container has without having made it. */
const FOREIGN = ['/.dockerenv', '/dev', '/etc/hostname', '/etc/hosts', '/etc/resolv.conf', '/proc', '/sys'];

function pathOf(call: Call): string {
  const path = call.filled('path');
  if (path === undefined) throw invalid('bad parameter: path cannot be empty');
  return path;
}

/** What is at a path: a link as itself, unless the path says that what it leads to is meant. */
function find(container: Container, path: string): { node: Node; name: string; target: string } {
  const follow = path.endsWith('/') || path.endsWith('/.');
  const last = parts(path).at(-1);
  const name = path.endsWith('/.') || path === '.' ? '.' : (last ?? '/');
  try {
    const node = container.files.find(path, follow);
    if (follow && node.kind !== 'folder') throw new PathError('ENOTDIR');
    return { node, name, target: node.kind === 'link' ? resolved(container, path) : '' };
  } catch (error) {
    if (!(error instanceof PathError)) throw error;
    throw notFound(`Could not find the file ${path} in container ${container.id}`);
  }
}

function resolved(container: Container, path: string): string {
  try {
    return container.files.resolve(path).path;
  } catch {
    // A link that leads nowhere: where it points.
    const link = container.files.find(path, false);
    return link.kind === 'link' ? link.to : '';
  }
}

export function stat(container: Container, call: Call): PathStat {
  const { node, name, target } = find(container, pathOf(call));
  const kind = { folder: 2 ** 31, link: 2 ** 27, file: 0 }[node.kind];
  return {
    name,
    size: node.kind === 'folder' ? 4096 : size(node),
    mode: kind + (node.mode & 0o777),
    mtime: rfc3339(node.time || container.created),
    linkTarget: target,
  };
}

export function header(stat: PathStat): Record<string, string> {
  const bytes = new TextEncoder().encode(JSON.stringify(stat));
  return { 'x-docker-container-path-stat': btoa(String.fromCharCode(...bytes)) };
}

export function get(container: Container, call: Call): Uint8Array {
  const { node, name } = find(container, pathOf(call));
  container.emit('archive-path');
  return pack(name === '/' ? '' : name, node);
}

export async function put(container: Container, call: Call): Promise<void> {
  const path = pathOf(call);
  const { files } = container;
  let place: Node;
  try {
    place = files.find(path);
  } catch (error) {
    if (!(error instanceof PathError)) throw error;
    throw notFound(`Could not find the file ${path} in container ${container.id}`);
  }
  if (place.kind !== 'folder') throw invalid('extraction point is not a directory');
  refuseReadOnly(container, path);
  let entries: Entry[];
  try {
    entries = unpack(await inflated(await call.bytes()));
  } catch (error) {
    throw system((error as Error).message);
  }
  const strict = call.flag('noOverwriteDirNonDir');
  for (const { name, node } of entries) extract(files, `${path}/${name}`, node, strict);
  container.emit('extract-to-dir');
}

function refuseReadOnly(container: Container, path: string): void {
  const at = `/${parts(path).join('/')}`;
  const within = (destination: string) => at === destination || at.startsWith(`${destination}/`);
  const mount = container.mounts
    .filter((mount) => within(mount.destination))
    .toSorted((a, b) => b.destination.length - a.destination.length)[0];
  if (mount !== undefined && !mount.rw) throw invalid('mounted volume is marked read-only');
  if (mount === undefined && container.host.ReadonlyRootfs) throw invalid('container rootfs is marked read-only');
}

function extract(files: Tree, path: string, node: Node, strict: boolean): void {
  const before = files.has(path) ? files.find(path, false) : undefined;
  if (strict && before !== undefined && (before.kind === 'folder') !== (node.kind === 'folder')) {
    const [had, has] = node.kind === 'folder' ? ['non-directory', 'directory'] : ['directory', 'non-directory'];
    throw invalid(`cannot overwrite ${had} "/${parts(path).join('/')}" with ${has}`);
  }
  if (node.kind === 'folder') {
    if (before?.kind === 'folder') Object.assign(before, { mode: node.mode, time: node.time });
    else if (parts(path).length > 0) files.put(path, copy(node));
    return;
  }
  files.makeFolder(`/${parts(path).slice(0, -1).join('/')}`, { time: node.time });
  files.put(path, node);
}

/** Archives may be packed with gzip, as clients send them. */
async function inflated(bytes: Uint8Array): Promise<Uint8Array> {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  const plain = new Blob([bytes as BlobPart]).stream().pipeThrough(new DecompressionStream('gzip'));
  return new Uint8Array(await new Response(plain).arrayBuffer());
}

/** How its files differ from its image's. */
export function diff(container: Container) {
  if (!container.touched) return [];
  const foreign = (path: string) => FOREIGN.some((one) => path === one || path.startsWith(`${one}/`));
  // Where volumes are mounted is no change of the container's.
  const mounted = (path: string) =>
    container.mounts.some((mount) => mount.destination === path || mount.destination.startsWith(`${path}/`));
  const found = changes(container.base, container.files.root).filter(
    ({ Path: path }) => !foreign(path) && !mounted(path),
  );
  const real = found.filter(({ Path: path, Kind: kind }) => kind !== 0 || isFile(container, path));
  return found.filter(
    (change) => real.includes(change) || real.some((other) => other.Path.startsWith(`${change.Path}/`)),
  );
}

function isFile(container: Container, path: string): boolean {
  try {
    return container.files.find(path, false).kind !== 'folder';
  } catch {
    return true;
  }
}

/** The whole root, without what is mounted in it. */
export function whole(container: Container): Uint8Array {
  const root: Folder = copy(container.files.root);
  container.emit('export');
  return pack('', root);
}
