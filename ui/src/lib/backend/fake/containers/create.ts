import type {
  ContainerConfig,
  ContainerCreateRequest,
  EndpointSettings,
  EndpointSettingsInput,
  HostConfig,
  HostConfigInput,
} from '$lib/api/generated';
import { type Call, check } from '../core/call';
import { Failure, invalid } from '../core/failure';
import { type Image, blank } from '../images/images';
import { Reference } from '../images/reference';
import { address as ipv4 } from '../networks/addresses';
import type { World } from '../world';
import { Container } from './container';
import { type Wanted, make, wantedMounts } from './mounts';
import { validate } from './validate';

export async function request(call: Call): Promise<ContainerCreateRequest> {
  const wish = await call.requiredJson<ContainerCreateRequest>();
  check(wish, {
    Image: 'string',
    Cmd: 'list',
    Entrypoint: 'list',
    Env: 'list',
    Tty: 'boolean',
    OpenStdin: 'boolean',
    Labels: 'map',
    ExposedPorts: 'map',
    HostConfig: 'map',
    Healthcheck: 'map',
    NetworkingConfig: 'map',
  });
  const host = {
    Binds: 'list',
    Memory: 'number',
    NanoCpus: 'number',
    PortBindings: 'map',
    AutoRemove: 'boolean',
    RestartPolicy: 'map',
  } as const;
  check(wish.HostConfig ?? {}, host, 'HostConfig.');
  const own = Object.keys(wish).filter((name) => name !== 'HostConfig' && name !== 'NetworkingConfig');
  if (own.length === 0) throw invalid('config cannot be empty in order to create a container');
  return wish;
}

/** Makes a container; answers it with what its user should know. */
export function create(
  world: World,
  wish: ContainerCreateRequest,
  name: string | undefined,
): { container: Container; warnings: string[] } {
  const { HostConfig: hostWish, NetworkingConfig: networking, ...configWish } = wish;
  const host = hostConfig(hostWish ?? {});
  validate(configWish, host);
  const image = configWish.Image ? imageOf(world, configWish.Image) : blank(world);
  const config = merged(containerConfig(configWish), image);
  if ([...(config.Entrypoint ?? []), ...(config.Cmd ?? [])].length === 0) throw invalid('no command specified');
  const wanted = wantedMounts(world, config, host);
  const endpoints = endpointsOf(world, host, networking?.EndpointsConfig ?? {});
  const id = world.random.hex(64);
  if (name !== undefined) world.containers.reserve(name);
  if (config.Hostname === '') config.Hostname = host.NetworkMode === 'host' ? world.machine.name : id.slice(0, 12);
  const container = new Container(world, {
    id,
    name: name ?? world.containers.invent(),
    created: world.now(),
    image: configWish.Image ? image.id : '',
    config,
    host,
    endpoints,
    mounts: wanted.map((one: Wanted) => make(world, one, image)),
    behaviour:
      image.programs[([...(config.Entrypoint ?? []), ...(config.Cmd ?? [])][0] ?? '').split('/').at(-1)!] ?? {},
    base: image.files,
  });
  world.containers.add(container);
  container.emit('create');
  const discarded = host.NetworkMode === 'host' && Object.keys(host.PortBindings ?? {}).length > 0;
  return { container, warnings: discarded ? ['Published ports are discarded when using host network mode'] : [] };
}

function imageOf(world: World, name: string): Image {
  try {
    return world.images.find(name);
  } catch (error) {
    if (!(error instanceof Failure) || error.status !== 404) throw error;
    let familiar = name;
    try {
      familiar = Reference.parse(name).orLatest().familiar;
    } catch {
      // An ID, which stays as it was written.
    }
    throw new Failure(404, `No such image: ${familiar}`);
  }
}

function containerConfig(wish: ContainerCreateRequest): ContainerConfig {
  const { ExposedPorts: ports, Healthcheck: healthcheck, Shell: shell, StopTimeout: timeout, ...rest } = wish;
  return {
    Hostname: '',
    Domainname: '',
    User: '',
    AttachStdin: false,
    AttachStdout: false,
    AttachStderr: false,
    Tty: false,
    OpenStdin: false,
    StdinOnce: false,
    Env: null,
    Cmd: null,
    Image: '',
    Volumes: null,
    WorkingDir: '',
    Entrypoint: null,
    OnBuild: null,
    Labels: null,
    ...rest,
    ...(ports ? { ExposedPorts: ports } : {}),
    ...(healthcheck ? { Healthcheck: { ...healthcheck, Test: healthcheck.Test ?? undefined } } : {}),
    ...(shell ? { Shell: shell } : {}),
    ...(timeout === undefined || timeout === null ? {} : { StopTimeout: timeout }),
  };
}

/** What the image's own configuration fills in. */
function merged(config: ContainerConfig, image: Image): ContainerConfig {
  const of = image.config;
  const name = (pair: string) => pair.split('=', 1)[0];
  const env = [...(config.Env ?? [])];
  for (const pair of of.Env ?? []) if (!env.some((given) => name(given) === name(pair))) env.push(pair);
  const open = !config.Entrypoint?.length;
  const entrypoint = config.Entrypoint ?? (open ? of.Entrypoint : null);
  const ports = { ...of.ExposedPorts, ...config.ExposedPorts };
  const volumes = { ...of.Volumes, ...config.Volumes };
  const healthcheck = of.Healthcheck || config.Healthcheck ? { ...of.Healthcheck, ...config.Healthcheck } : undefined;
  const stopSignal = config.StopSignal || of.StopSignal;
  return {
    ...config,
    User: config.User || of.User,
    Env: env,
    Labels: { ...of.Labels, ...config.Labels },
    Cmd: open && !config.Cmd?.length ? of.Cmd : config.Cmd,
    Entrypoint: entrypoint?.length === 1 && entrypoint[0] === '' ? null : entrypoint,
    WorkingDir: config.WorkingDir || of.WorkingDir,
    ...(Object.keys(ports).length > 0 ? { ExposedPorts: ports } : {}),
    Volumes: Object.keys(volumes).length > 0 ? volumes : null,
    ...(healthcheck ? { Healthcheck: healthcheck } : {}),
    ...(stopSignal ? { StopSignal: stopSignal } : {}),
  };
}

const MASKED = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/sys/devices/virtual/powercap',
  '/sys/firmware',
];
const READ_ONLY = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

/** All members, with what the engine puts where nothing was said. */
function hostConfig(wish: HostConfigInput): HostConfig {
  const given = Object.fromEntries(
    Object.entries(wish).filter(([, value]) => value !== null && value !== undefined),
  ) as Partial<HostConfig>;
  return {
    Binds: null,
    ContainerIDFile: '',
    PortBindings: {},
    AutoRemove: false,
    VolumeDriver: '',
    VolumesFrom: null,
    ConsoleSize: [0, 0],
    CapAdd: null,
    CapDrop: null,
    Dns: null,
    DnsOptions: null,
    DnsSearch: null,
    ExtraHosts: null,
    GroupAdd: null,
    Cgroup: '',
    Links: null,
    OomScoreAdj: 0,
    PidMode: '',
    Privileged: false,
    PublishAllPorts: false,
    ReadonlyRootfs: false,
    SecurityOpt: null,
    UTSMode: '',
    UsernsMode: '',
    Isolation: '',
    CpuShares: 0,
    Memory: 0,
    NanoCpus: 0,
    CgroupParent: '',
    BlkioWeight: 0,
    BlkioWeightDevice: null,
    BlkioDeviceReadBps: null,
    BlkioDeviceReadIOps: null,
    BlkioDeviceWriteBps: null,
    BlkioDeviceWriteIOps: null,
    CpuPeriod: 0,
    CpuQuota: 0,
    CpuRealtimePeriod: 0,
    CpuRealtimeRuntime: 0,
    CpusetCpus: '',
    CpusetMems: '',
    Devices: null,
    DeviceCgroupRules: null,
    DeviceRequests: null,
    MemoryReservation: 0,
    MemorySwap: 0,
    MemorySwappiness: null,
    OomKillDisable: null,
    PidsLimit: null,
    Ulimits: null,
    CpuCount: 0,
    CpuPercent: 0,
    IOMaximumIOps: 0,
    IOMaximumBandwidth: 0,
    ...given,
    NetworkMode: given.NetworkMode || 'bridge',
    ShmSize: given.ShmSize || 67_108_864,
    IpcMode: given.IpcMode || 'private',
    CgroupnsMode: given.CgroupnsMode || 'private',
    Runtime: given.Runtime || 'runc',
    LogConfig: { Type: given.LogConfig?.Type || 'json-file', Config: given.LogConfig?.Config ?? {} },
    RestartPolicy: {
      Name: given.RestartPolicy?.Name || 'no',
      MaximumRetryCount: given.RestartPolicy?.MaximumRetryCount ?? 0,
    },
    MaskedPaths: given.Privileged ? null : (given.MaskedPaths ?? MASKED),
    ReadonlyPaths: given.Privileged ? null : (given.ReadonlyPaths ?? READ_ONLY),
  };
}

const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i;

/** The networks to join, by their names. */
function endpointsOf(
  world: World,
  host: HostConfig,
  given: Record<string, EndpointSettingsInput | null>,
): Map<string, EndpointSettings> {
  const canonical = (name: string) => {
    if (['', 'default', 'bridge'].includes(name)) return 'bridge';
    return (
      [...world.networks.all.values()].find((network) => network.name === name || network.id === name)?.name ?? name
    );
  };
  if (host.NetworkMode.startsWith('container:')) {
    const other = host.NetworkMode.slice('container:'.length);
    if (Object.keys(given).length > 0) {
      throw invalid(
        'container sharing network namespace with another container or host cannot be connected to any other network',
      );
    }
    if (world.containers.has(other)) host.NetworkMode = `container:${world.containers.find(other).id}`;
    return new Map();
  }
  host.NetworkMode = canonical(host.NetworkMode);
  const endpoints = new Map<string, EndpointSettings>();
  for (const [name, settings] of Object.entries(given)) {
    if (settings === null) throw invalid(`invalid config for network ${name}: EndpointsConfig is nil`);
    const address = settings.IPAMConfig?.IPv4Address;
    if (address && ipv4(address) === undefined) {
      throw invalid(`invalid config for network ${name}: invalid endpoint settings:\ninvalid IPv4 address: ${address}`);
    }
    if (settings.MacAddress && !MAC.test(settings.MacAddress)) {
      throw invalid(`invalid config for network ${name}: invalid MAC address ${settings.MacAddress}`);
    }
    if (canonical(name) === 'bridge' && settings.Aliases?.length) {
      throw invalid(
        `invalid config for network ${name}: invalid endpoint settings:\nnetwork-scoped alias is supported only for containers in user defined networks`,
      );
    }
    endpoints.set(canonical(name), endpointSettings(settings));
  }
  if (endpoints.size === 0) endpoints.set(host.NetworkMode, endpointSettings());
  return endpoints;
}

/** What was asked for, with nothing yet of what comes of it. */
export function endpointSettings(wish: EndpointSettingsInput = {}): EndpointSettings {
  const ipam = wish.IPAMConfig;
  const asked = { ...ipam, LinkLocalIPs: ipam?.LinkLocalIPs ?? undefined };
  return {
    IPAMConfig: ipam ? (JSON.parse(JSON.stringify(asked)) as EndpointSettings['IPAMConfig']) : null,
    Links: wish.Links ?? null,
    Aliases: wish.Aliases ?? null,
    MacAddress: wish.MacAddress ?? '',
    DriverOpts: wish.DriverOpts ?? null,
    GwPriority: wish.GwPriority ?? 0,
    NetworkID: '',
    EndpointID: '',
    Gateway: '',
    IPAddress: '',
    IPPrefixLen: 0,
    IPv6Gateway: '',
    GlobalIPv6Address: '',
    GlobalIPv6PrefixLen: 0,
    DNSNames: null,
  };
}
