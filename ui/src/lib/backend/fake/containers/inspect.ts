import type { ContainerInspect, ContainerState } from '$lib/api/generated';
import { rfc3339 } from '../core/time';
import { layers } from '../images/images';
import type { World } from '../world';
import type { Container } from './container';
import { networksOf, sizesOf } from './list';
import { ports } from './ports';

export function inspect(world: World, container: Container, sizes: boolean): ContainerInspect {
  const { root } = world.machine;
  const folder = `${root}/containers/${container.id}`;
  // Files that the first start makes; they have no names before.
  const made = (name: string) => (container.state.is === 'created' ? '' : `${folder}/${name}`);
  const [path = '', ...args] = container.command;
  const execs = world.execs.of(container);
  const image = world.images.all.get(container.image);
  const lowers =
    image === undefined
      ? []
      : layers(image)
          .toReversed()
          .map((layer) => `${root}/layers/${layer.diffId.slice(7)}/diff`);
  const [SizeRw, SizeRootFs] = sizesOf(world, container);
  return {
    Id: container.id,
    Created: rfc3339(container.created),
    Path: path,
    Args: args,
    State: state(container),
    Image: container.image,
    ResolvConfPath: made('resolv.conf'),
    HostnamePath: made('hostname'),
    HostsPath: made('hosts'),
    LogPath: container.host.LogConfig.Type === 'json-file' ? made('log.json') : '',
    Name: `/${container.name}`,
    RestartCount: container.restarts,
    Driver: 'overlay2',
    Platform: 'linux',
    MountLabel: '',
    ProcessLabel: '',
    AppArmorProfile: '',
    ExecIDs: execs.length > 0 ? execs.map((exec) => exec.id) : null,
    HostConfig: container.host,
    GraphDriver: {
      Name: 'overlay2',
      Data: {
        ID: container.id,
        LowerDir: lowers.join(':'),
        MergedDir: 'pid' in container.state ? `/proc/${container.state.pid}/root` : `${folder}/merged`,
        UpperDir: `${folder}/upper`,
        WorkDir: `${folder}/work`,
      },
    },
    ...(sizes ? { SizeRw, SizeRootFs } : {}),
    Mounts: container.mountPoints(),
    Config: container.config,
    NetworkSettings: network(world, container),
  };
}

function network(world: World, container: Container): ContainerInspect['NetworkSettings'] {
  const networks = networksOf(world, container);
  // Old clients look for the default bridge's endpoint beside the networks.
  const bridge = networks.bridge;
  const running = 'pid' in container.state;
  return {
    Bridge: '',
    SandboxID: running ? container.id : '',
    SandboxKey: 'pid' in container.state ? `/proc/${container.state.pid}/ns/net` : '',
    Ports: ports(world, container),
    HairpinMode: false,
    LinkLocalIPv6Address: '',
    LinkLocalIPv6PrefixLen: 0,
    SecondaryIPAddresses: null,
    SecondaryIPv6Addresses: null,
    EndpointID: bridge?.EndpointID ?? '',
    Gateway: bridge?.Gateway ?? '',
    GlobalIPv6Address: bridge?.GlobalIPv6Address ?? '',
    GlobalIPv6PrefixLen: bridge?.GlobalIPv6PrefixLen ?? 0,
    IPAddress: bridge?.IPAddress ?? '',
    IPPrefixLen: bridge?.IPPrefixLen ?? 0,
    IPv6Gateway: bridge?.IPv6Gateway ?? '',
    MacAddress: bridge?.MacAddress ?? '',
    Networks: networks,
  };
}

function state(container: Container): ContainerState {
  const { exit } = container;
  return {
    Status: container.state.is,
    Running: container.countsAsRunning,
    Paused: container.state.is === 'paused',
    Restarting: container.state.is === 'restarting',
    OOMKilled: exit.oomKilled,
    Dead: false,
    Pid: 'pid' in container.state ? container.state.pid : 0,
    ExitCode: exit.code,
    Error: exit.error,
    StartedAt: rfc3339(exit.started),
    FinishedAt: rfc3339(exit.finished),
    ...(container.health ? { Health: container.health.describe() } : {}),
  };
}
