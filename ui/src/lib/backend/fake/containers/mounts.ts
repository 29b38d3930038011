import type { ContainerConfig, HostConfig } from '$lib/api/generated';
import { Failure, invalid, system } from '../core/failure';
import { copy, parts } from '../files/tree';
import type { Image } from '../images/images';
import type { World } from '../world';
import type { Mounted } from './container';

export interface Wanted {
  type: Mounted['type'];
  /** A volume's name (empty: one without), or a path of the machine. */
  source: string;
  destination: string;
  mode: string;
  rw: boolean;
  labels?: Record<string, string>;
  fill: boolean;
}

/** The engine's own socket is what the machine has of the outside. */
const SOCKETS = ['/var/run/docker.sock', '/run/docker.sock'];

/** All mounts in the engine's order of precedence: other containers', `-v`, `--mount`, `--tmpfs`, the image's volumes. */
export function wantedMounts(world: World, config: ContainerConfig, host: HostConfig): Wanted[] {
  const given = [
    ...(host.Binds ?? []).map(bind),
    ...(host.Mounts ?? []).map(mount),
    ...Object.keys(host.Tmpfs ?? {}).map((destination) => ({
      ...plain('tmpfs', '', absolute(destination)),
      fill: false,
    })),
  ];
  const taken = new Set<string>();
  for (const one of given) {
    if (taken.has(one.destination)) throw invalid(`Duplicate mount point: ${one.destination}`);
    taken.add(one.destination);
  }
  const list = [...inherited(world, host, taken), ...given];
  for (const path of Object.keys(config.Volumes ?? {})) {
    if (!taken.has(clean(path))) list.push(plain('volume', '', absolute(path)));
    taken.add(clean(path));
  }
  return list;
}

function inherited(world: World, host: HostConfig, taken: Set<string>): Wanted[] {
  return (host.VolumesFrom ?? []).flatMap((from) => {
    const [name = '', mode] = from.split(':');
    if (name === '') throw invalid('volumes-from specification cannot be an empty string');
    if (!world.containers.has(name)) throw invalid(`No such container: ${name}`);
    return world.containers.find(name).mounts.flatMap((other): Wanted[] => {
      if (taken.has(other.destination) || other.type === 'tmpfs') return [];
      taken.add(other.destination);
      const source = other.type === 'volume' ? other.name : other.source;
      return [
        {
          ...plain(other.type, source, other.destination),
          mode: other.mode,
          rw: other.rw && mode !== 'ro',
          fill: false,
        },
      ];
    });
  });
}

function plain(type: Mounted['type'], source: string, destination: string): Wanted {
  return { type, source, destination, mode: '', rw: true, fill: type === 'volume' };
}

/** `source:destination[:options]` */
function bind(raw: string): Wanted {
  const [first = '', second, options, ...more] = raw.split(':');
  if (more.length > 0 || (second !== undefined && !second.startsWith('/'))) {
    throw system(`invalid volume specification: '${raw}'`);
  }
  if (second === undefined) return plain('volume', '', absolute(first));
  const destination = absolute(second);
  const rw = !(options ?? '').split(',').includes('ro');
  if (!first.startsWith('/')) return { ...plain('volume', first, destination), mode: options ?? '', rw };
  return { ...hostFolder(first, destination), mode: options ?? '', rw };
}

function hostFolder(source: string, destination: string): Wanted {
  if (SOCKETS.includes(source)) return plain('bind', source, destination);
  throw invalid(
    `bind mounts of host folders need a share: ${source} is a path of your own machine, which the containers' machine cannot see; use a named volume (-v NAME:${destination}) or docker cp`,
  );
}

function mount(wish: NonNullable<HostConfig['Mounts']>[number]): Wanted {
  const destination = absolute(wish.Target ?? '');
  const rw = !wish.ReadOnly;
  if (wish.Type === 'bind') return { ...hostFolder(wish.Source ?? '', destination), rw };
  if (wish.Type === 'tmpfs') return { ...plain('tmpfs', '', destination), fill: false };
  if (wish.Type !== 'volume') throw invalid(`invalid mount config for type "${wish.Type ?? ''}": mount type unknown`);
  return {
    ...plain('volume', wish.Source ?? '', destination),
    rw,
    labels: wish.VolumeOptions?.Labels,
    fill: !wish.VolumeOptions?.NoCopy,
  };
}

function clean(path: string): string {
  return `/${parts(path).join('/')}`;
}

function absolute(path: string): string {
  if (!path.startsWith('/')) throw invalid(`invalid mount path: '${path}' mount path must be absolute`);
  if (clean(path) === '/') throw invalid("invalid specification: destination can't be '/'");
  return clean(path);
}

/** Makes or finds the volume; what the image has at its destination goes into one that is empty. */
export function make(world: World, wanted: Wanted, image: Image): Mounted {
  const { type, source, destination, mode, rw } = wanted;
  if (type !== 'volume') return { type, name: '', source, destination, mode, rw, anonymous: false };
  const volume = world.volumes.create({ name: source, labels: wanted.labels });
  if (wanted.fill && volume.files.children.size === 0) fill(image, destination, volume.files.children);
  return { type, name: volume.name, source: '', destination, mode: mode || 'z', rw, anonymous: source === '' };
}

function fill(image: Image, destination: string, into: Map<string, unknown>): void {
  let at = image.files;
  for (const name of parts(destination)) {
    const next = at.children.get(name);
    if (next === undefined) return;
    if (next.kind !== 'folder')
      throw new Failure(500, `cannot mount volume over existing file, file exists ${destination}`);
    at = next;
  }
  for (const [name, node] of copy(at).children) into.set(name, node);
}
