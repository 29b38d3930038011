import type { Port, PortBinding } from '$lib/api/generated';
import { system } from '../core/failure';
import type { World } from '../world';
import type { Container } from './container';

/** Where the engine looks for free ports of the machine. */
const FIRST_FREE = 32_768;

/** Opens the ports that a container publishes; answers them as they are bound. */
export function publish(world: World, container: Container): Map<string, PortBinding[]> {
  const bound = new Map<string, PortBinding[]>();
  const asked = wanted(container);
  if (asked.length === 0) return bound;
  const taken = new Map<string, Container>();
  for (const other of world.containers.all()) {
    for (const [port, bindings] of other.published) {
      for (const { HostPort } of bindings) taken.set(`${HostPort}/${port.split('/')[1]}`, other);
    }
  }
  const [network] = world.networks.of(container);
  for (const [port, wishes] of asked) {
    const protocol = port.split('/')[1] ?? 'tcp';
    for (const { HostIp, HostPort } of wishes) {
      const ip = HostIp || '0.0.0.0';
      const number = HostPort || free(taken, protocol);
      if (taken.has(`${number}/${protocol}`)) {
        const endpoint = network?.endpoints.get(container.id);
        throw system(
          `driver failed programming external connectivity on endpoint ${container.name} (${endpoint?.id ?? ''}): Bind for ${ip}:${number} failed: port is already allocated`,
        );
      }
      taken.set(`${number}/${protocol}`, container);
      const key = port.includes('/') ? port : `${port}/tcp`;
      // Without an address it is open on both families.
      const bindings = [{ HostIp: ip, HostPort: number }, ...(HostIp ? [] : [{ HostIp: '::', HostPort: number }])];
      bound.set(key, [...(bound.get(key) ?? []), ...bindings]);
    }
  }
  return bound;
}

function wanted(container: Container): [string, PortBinding[]][] {
  if (['host', 'none'].includes(container.host.NetworkMode) || container.host.NetworkMode.startsWith('container:'))
    return [];
  const given = Object.entries(container.host.PortBindings ?? {}).map(([port, wishes]): [string, PortBinding[]] => [
    port,
    wishes?.length ? wishes : [{ HostIp: '', HostPort: '' }],
  ]);
  if (!container.host.PublishAllPorts) return given;
  const rest = Object.keys(container.config.ExposedPorts ?? {}).filter(
    (port) => !given.some(([name]) => name === port),
  );
  return [...given, ...rest.map((port): [string, PortBinding[]] => [port, [{ HostIp: '', HostPort: '' }]])];
}

function free(taken: Map<string, unknown>, protocol: string): string {
  for (let port = FIRST_FREE; port < 61_000; port++) if (!taken.has(`${port}/${protocol}`)) return String(port);
  throw system('all ports are allocated');
}

/** Exposed and published ports with what they are bound to; nothing while it does not run. */
export function ports(world: World, container: Container): Record<string, PortBinding[] | null> {
  if (container.process === undefined) return {};
  const beyond = world.networks.of(container).some((network) => network.driver === 'bridge');
  const exposed = beyond ? Object.keys(container.config.ExposedPorts ?? {}) : [];
  const all: [string, PortBinding[] | null][] = exposed.map((port) => [
    port.includes('/') ? port : `${port}/tcp`,
    null,
  ]);
  return Object.fromEntries([...all, ...container.published].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** The same for lists. */
export function listed(world: World, container: Container): Port[] {
  const list = Object.entries(ports(world, container)).flatMap(([port, bindings]): Port[] => {
    const [number = '', protocol = 'tcp'] = port.split('/');
    const bare = { PrivatePort: Number(number), Type: protocol };
    if (!bindings?.length) return [bare];
    return bindings.map(({ HostIp, HostPort }) => ({ IP: HostIp, ...bare, PublicPort: Number(HostPort) }));
  });
  const order = (port: Port) => `${port.IP ?? ''} ${String(port.PrivatePort).padStart(5, '0')} ${port.PublicPort ?? 0}`;
  return list.toSorted((a, b) => (order(a) < order(b) ? -1 : 1));
}
