import type { ContainerSummary, EndpointSettings, NetworkInspect, Port } from '$lib/api/generated';

/** Networks and containers as an engine lists them, for tests. */
export function network(name: string, more: Partial<NetworkInspect> & { subnets?: string[] } = {}): NetworkInspect {
  const { subnets = [], ...rest } = more;
  return {
    Attachable: false,
    ConfigFrom: { Network: '' },
    ConfigOnly: false,
    Containers: {},
    Created: '2026-01-02T03:04:05.000000006Z',
    Driver: 'bridge',
    EnableIPv4: true,
    EnableIPv6: false,
    IPAM: { Driver: 'default', Options: null, Config: subnets.map((Subnet) => ({ Subnet })) },
    Id: `id-of-${name}`,
    Ingress: false,
    Internal: false,
    Labels: {},
    Name: name,
    Options: {},
    Scope: 'local',
    ...rest,
  };
}

type On = Record<string, Partial<EndpointSettings>>;

export function container(
  name: string,
  on: On = {},
  more: { State?: string; Ports?: Port[]; Names?: string[]; mode?: string } = {},
): ContainerSummary {
  const { mode, ...rest } = more;
  return {
    Command: 'run',
    Created: 0,
    HostConfig: { NetworkMode: mode },
    Id: `id-of-${name}`,
    Image: 'nginx:1.27',
    ImageID: 'sha256:0',
    Labels: {},
    Mounts: [],
    Names: [`/${name}`],
    NetworkSettings: {
      Networks: Object.fromEntries(Object.entries(on).map(([to, settings]) => [to, endpoint(to, settings)])),
    },
    Ports: [],
    State: 'running',
    Status: 'Up 5 minutes',
    ...rest,
  };
}

function endpoint(to: string, settings: Partial<EndpointSettings>): EndpointSettings {
  return {
    Aliases: null,
    DNSNames: null,
    DriverOpts: null,
    EndpointID: '',
    Gateway: '',
    GlobalIPv6Address: '',
    GlobalIPv6PrefixLen: 0,
    GwPriority: 0,
    IPAMConfig: null,
    IPAddress: '',
    IPPrefixLen: 0,
    IPv6Gateway: '',
    Links: null,
    MacAddress: '',
    NetworkID: `id-of-${to}`,
    ...settings,
  };
}
