import type { ContainerSummary } from '$lib/api/generated';
import { type Call } from '../core/call';
import { invalid, system } from '../core/failure';
import type { Filters } from '../core/filters';
import { atoi } from '../core/strconv';
import { human, seconds } from '../core/time';
import { size } from '../files/tree';
import { sizeOf } from '../images/images';
import type { World } from '../world';
import type { Container } from './container';
import { listed } from './ports';

const KNOWN = [
  'ancestor',
  'before',
  'exited',
  'expose',
  'health',
  'id',
  'is-task',
  'isolation',
  'label',
  'name',
  'network',
  'publish',
  'since',
  'status',
  'volume',
];
const STATES = ['created', 'running', 'paused', 'restarting', 'removing', 'exited', 'dead'];
const HEALTH = ['none', 'starting', 'healthy', 'unhealthy'];

export function list(world: World, call: Call): ContainerSummary[] {
  const limit = Math.max(call.number('limit') ?? 0, 0);
  const chosen = select(world, call.filters(), call.flag('all') || limit > 0);
  const shown = limit > 0 ? chosen.slice(0, limit) : chosen;
  return shown.map((container) => summarise(world, container, call.flag('size')));
}

/** Newest first. */
function select(world: World, filters: Filters, all: boolean): Container[] {
  filters.only(KNOWN);
  oneOf(filters, 'status', 'state', STATES);
  oneOf(filters, 'health', 'health', HEALTH);
  const exited = filters
    .values('exited')
    .map((text) => atoi(text, (words) => invalid(`invalid filter 'exited=${text}': ${words}`)));
  const tasks = filters.flag('is-task') === true;
  const bound = (name: string) =>
    Math.max(...filters.values(name).map((other) => world.containers.find(other).created));
  const [before, since] = [bound('before'), bound('since')];
  const names = filters.values('name').flatMap(expression);
  const ancestors = filters
    .values('ancestor')
    .flatMap((name) => (world.images.has(name) ? [world.images.find(name).id] : []));
  const [publish, expose] = [ranges(filters, 'publish'), ranges(filters, 'expose')];
  const everything = all || filters.has('status');
  const takes = (container: Container) =>
    (everything || container.countsAsRunning) &&
    !tasks &&
    filters.any('id', (id) => container.id.startsWith(id)) &&
    (!filters.has('name') || names.some((name) => name.test(container.name) || name.test(`/${container.name}`))) &&
    filters.labels(container.labels) &&
    filters.accepts('status', container.state.is) &&
    (exited.length === 0 || (container.state.is === 'exited' && exited.includes(container.exit.code))) &&
    filters.accepts('health', container.health?.status ?? 'none') &&
    (!Number.isFinite(before) || container.created < before) &&
    (!Number.isFinite(since) || container.created > since) &&
    (!filters.has('ancestor') || ancestors.some((id) => isFrom(world, container.image, id))) &&
    filters.any('volume', (wanted) =>
      container.mounts.some((mount) => [mount.name, mount.source, mount.destination].includes(wanted)),
    ) &&
    filters.any('network', (wanted) => isOn(world, container, wanted)) &&
    (publish.length + expose.length === 0 ||
      listed(world, container).some(
        (port) => within(publish, port.PublicPort ?? 0, port.Type) || within(expose, port.PrivatePort, port.Type),
      ));
  return world.containers
    .all()
    .filter(takes)
    .toSorted((a, b) => b.created - a.created);
}

function oneOf(filters: Filters, name: string, what: string, known: string[]): void {
  const wrong = filters.values(name).find((value) => !known.includes(value));
  if (wrong === undefined) return;
  throw invalid(
    `invalid filter '${name}=${wrong}': invalid value for ${what} (${wrong}): must be one of ${known.join(', ')}`,
  );
}

function expression(text: string): RegExp[] {
  try {
    return [new RegExp(text)];
  } catch {
    return [];
  }
}

/** Whether an image is `ancestor`, or was made from it here. */
function isFrom(world: World, image: string, ancestor: string): boolean {
  for (let id: string | undefined = image; id !== undefined; id = world.images.all.get(id)?.parent) {
    if (id === ancestor) return true;
  }
  return false;
}

function isOn(world: World, container: Container, wanted: string): boolean {
  return [...container.endpoints.keys()].some((name) => {
    const network = [...world.networks.all.values()].find((network) => network.name === name);
    return name === wanted || (network !== undefined && network.id.startsWith(wanted));
  });
}

type Range = { first: number; last: number; protocol: string };

function ranges(filters: Filters, name: string): Range[] {
  return filters.values(name).map((value) => {
    if (value.includes(':')) throw system(`filter for '${name}' should not contain ':': ${value}`);
    const [numbers = '', protocol = 'tcp'] = value.split('/', 2);
    const [first = '', last = first] = numbers.split('-', 2);
    const refused = (reason: string) => system(`error while looking up for ${name} ${value}: ${reason}`);
    for (const text of [first, last]) {
      if (!/^\d+$/.test(text)) throw refused(`strconv.ParseUint: parsing "${text}": invalid syntax`);
      if (Number(text) > 65_535) throw refused(`strconv.ParseUint: parsing "${text}": value out of range`);
    }
    if (Number(first) > Number(last)) throw refused(`Invalid range specified for the Port: ${numbers}`);
    return { first: Number(first), last: Number(last), protocol };
  });
}

function within(list: Range[], port: number, protocol: string): boolean {
  return list.some((range) => range.protocol === protocol && port >= range.first && port <= range.last);
}

export function summarise(world: World, container: Container, sizes: boolean): ContainerSummary {
  const { config, host } = container;
  const named = world.images.has(config.Image) ? world.images.find(config.Image).id : undefined;
  const [written, whole] = sizes ? sizesOf(world, container) : [0, 0];
  return {
    Id: container.id,
    Names: [`/${container.name}`],
    // As the user wrote it, or the ID when that name means another image by now.
    Image: named === container.image ? config.Image : container.image,
    ImageID: container.image,
    Command: container.command.map((word, index) => (index > 0 && word.includes(' ') ? `'${word}'` : word)).join(' '),
    Created: seconds(container.created),
    Ports: listed(world, container),
    ...(written > 0 ? { SizeRw: written } : {}),
    ...(whole > 0 ? { SizeRootFs: whole } : {}),
    Labels: container.labels,
    State: container.state.is,
    Status: status(world, container),
    HostConfig: { NetworkMode: host.NetworkMode, ...(host.Annotations ? { Annotations: host.Annotations } : {}) },
    NetworkSettings: { Networks: networksOf(world, container) },
    Mounts: container.mountPoints(),
  };
}

export function networksOf(world: World, container: Container) {
  const all = [...container.endpoints].map(
    ([name, settings]) => [name, world.networks.settings(settings, name, container)] as const,
  );
  return Object.fromEntries(all.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** Bytes: written by the container, and with its image. */
export function sizesOf(world: World, container: Container): [number, number] {
  const image = world.images.all.get(container.image);
  const written = container.touched ? Math.max(0, size(container.files.root) - size(container.base)) : 0;
  return [written, written + (image === undefined ? 0 : sizeOf(image))];
}

function status(world: World, container: Container): string {
  const { state, health } = container;
  const since = (time: number | undefined) => human(world.clock.now() - (time ?? 0));
  switch (state.is) {
    case 'created':
      return 'Created';
    case 'running': {
      const up = `Up ${since(state.since)}`;
      if (health === undefined) return up;
      return health.status === 'starting' ? `${up} (health: starting)` : `${up} (${health.status})`;
    }
    case 'paused':
      return `Up ${since(state.since)} (Paused)`;
    case 'restarting':
      return `Restarting (${state.exit.code}) ${since(state.exit.finished)} ago`;
    case 'exited':
      return `Exited (${state.exit.code}) ${since(state.exit.finished)} ago`;
    case 'removing':
      return 'Removal In Progress';
  }
}
