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
    if (mode !== undefined && !['ro', 'rw', 'z', 'Z'].includes(mode)) throw invalid(`invalid mode: ${mode}`);
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
  const refused = (reason = '') => system(`invalid volume specification: '${raw}'${reason}`);
  if (more.length > 0 || raw === '' || first === '' || ['ro', 'rw'].includes(second ?? '')) throw refused();
  if (second === undefined) return plain('volume', '', absolute(first));
  const mode = options ?? '';
  const type = first.startsWith('/') ? 'bind' : 'volume';
  const config = `: invalid mount config for type "${type}": `;
  if (!second.startsWith('/')) throw refused(`${config}invalid mount path: '${second}' mount path must be absolute`);
  if (clean(second) === '/') throw refused(`${config}invalid specification: destination can't be '/'`);
  checkMode(mode);
  if (type === 'volume' && PROPAGATION.test(mode)) throw refused(`${config}field BindOptions must not be specified`);
  const destination = clean(second);
  const rw = !mode.split(',').includes('ro');
  if (type === 'volume') return { ...plain('volume', first, destination), mode, rw };
  return { ...hostFolder(first, destination), mode, rw };
}

const PROPAGATION = /(^|,)r?(private|shared|slave)(,|$)/;
/** Words of which one may be said. */
const MODES = [['ro', 'rw'], ['z', 'Z'], ['nocopy'], ['private', 'rprivate', 'shared', 'rshared', 'slave', 'rslave']];

function checkMode(mode: string): void {
  const words = mode === '' ? [] : mode.split(',');
  const known = words.every((word) => MODES.some((group) => group.includes(word)));
  const once = MODES.every((group) => words.filter((word) => group.includes(word)).length <= 1);
  if (!known || !once) throw system(`invalid mode: ${mode}`);
}

/** The user's, which the machine shares. */
const HOME = '/home/ada';

function hostFolder(source: string, destination: string): Wanted {
  if (SOCKETS.includes(source)) return plain('bind', source, destination);
  const path = clean(source);
  const isShared = ['/dev', '/proc', '/sys', '/lib/modules', HOME].some(
    (shared) => path === shared || path.startsWith(`${shared}/`),
  );
  if (isShared) return plain('bind', path, destination);
  throw invalid(
    `Mounts denied: the path ${path} is not shared with the machine. Share it with \`berth config set shares "~,${path}"\`, or use a path within what is shared`,
  );
}

function mount(wish: NonNullable<HostConfig['Mounts']>[number]): Wanted {
  const { Type: type = '', Source: source = '', Target: target = '' } = wish;
  const refused = (reason: string) => invalid(`invalid mount config for type "${type}": ${reason}`);
  if (!['bind', 'volume', 'tmpfs'].includes(type)) throw refused('mount type unknown');
  if (type !== 'volume' && wish.VolumeOptions)
    throw invalid(`VolumeOptions must not be specified on mount type "${type}"`);
  if (target === '') throw refused('field Target must not be empty');
  if (clean(target) === '/') throw refused("invalid specification: destination can't be '/'");
  if (!target.startsWith('/')) throw refused(`invalid mount path: '${target}' mount path must be absolute`);
  const [destination, rw] = [clean(target), !wish.ReadOnly];
  if (type === 'bind') {
    if (source === '') throw refused('field Source must not be empty');
    if (!source.startsWith('/')) throw refused(`invalid mount path: '${source}' mount path must be absolute`);
    return { ...hostFolder(source, destination), rw };
  }
  if (type === 'tmpfs') {
    if (source !== '') throw refused('field Source must not be specified');
    return { ...plain('tmpfs', '', destination), fill: false };
  }
  if (source === '' && wish.ReadOnly) throw refused('must not set ReadOnly mode when using anonymous volumes');
  const { Labels: labels, NoCopy: bare } = wish.VolumeOptions ?? {};
  return { ...plain('volume', source, destination), rw, labels, fill: !bare };
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
