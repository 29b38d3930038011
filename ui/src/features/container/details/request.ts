import type {
  ContainerCreateRequest,
  ContainerInspect,
  EndpointSettings,
  EndpointSettingsInput,
  HostConfig,
  ImageInspect,
} from '$lib/api/generated';
import { split } from '$lib/kit/secret';

/** What is changed of a container that is made anew; what is not given stays. */
export interface Changes {
  image?: string;
  env?: string[];
  /** `80/tcp` to where it is published. */
  ports?: Record<string, { HostIp: string; HostPort: string }[]>;
}

/** Networks that the engine makes by itself, and that a container has for its only one: its mode alone names them. */
const ALONE = ['default', 'host', 'none', ''];

/**
 * The request that makes a container like `old`, with `changes`. What `old` has only from its image (`image`, undefined if that is gone)
 * is left out, so that another image brings its own.
 */
export function request(
  old: ContainerInspect,
  image: ImageInspect | undefined,
  changes: Changes,
): ContainerCreateRequest {
  const config = { ...old.Config };
  const theirs = image?.Config ?? undefined;
  const automatic = config.Hostname === old.Id.slice(0, 12);
  const hostname = automatic || sharesHostname(old.HostConfig) ? '' : config.Hostname;
  const same = <T>(ours: T, of: T | undefined | null): T | undefined => (equal(ours, of) ? undefined : ours);
  const ports =
    changes.ports === undefined ? undefined : exposed(config.ExposedPorts, old.HostConfig.PortBindings, changes.ports);
  return {
    ...config,
    Hostname: hostname,
    Image: changes.image ?? config.Image,
    Env: env(changes.env ?? config.Env ?? [], theirs?.Env ?? []),
    // A command belongs to its entrypoint: an image's entrypoint must not meet a command that was meant for another.
    ...(equal(config.Entrypoint, theirs?.Entrypoint)
      ? { Entrypoint: undefined, Cmd: same(config.Cmd, theirs?.Cmd) }
      : { Entrypoint: config.Entrypoint, Cmd: config.Cmd }),
    WorkingDir: same(config.WorkingDir, theirs?.WorkingDir),
    User: same(config.User, theirs?.User),
    StopSignal: same(config.StopSignal, theirs?.StopSignal),
    Healthcheck: same(config.Healthcheck, theirs?.Healthcheck),
    Shell: same(config.Shell, theirs?.Shell),
    OnBuild: null,
    Labels: without(config.Labels ?? {}, theirs?.Labels ?? {}),
    Volumes: without(config.Volumes ?? {}, theirs?.Volumes ?? {}),
    ExposedPorts: without(ports ?? config.ExposedPorts ?? {}, theirs?.ExposedPorts ?? {}),
    HostConfig: hostConfig(old, changes),
    NetworkingConfig: { EndpointsConfig: endpoints(old) },
  };
}

// With a network of the host or of another container, the name is theirs.
function sharesHostname({ NetworkMode, UTSMode }: HostConfig): boolean {
  return NetworkMode === 'host' || NetworkMode.startsWith('container:') || UTSMode === 'host';
}

/** `ours` against the image's: what is the same is left to the image, and what the container was without is taken out. */
function env(ours: readonly string[], images: readonly string[]): string[] {
  const names = new Set(ours.map(nameIn));
  return [...ours.filter((one) => !images.includes(one)), ...images.map(nameIn).filter((name) => !names.has(name))];
}

const nameIn = (variable: string) => split(variable)[0];

function without<T>(ours: Record<string, T>, images: Record<string, T>): Record<string, T> {
  return Object.fromEntries(
    Object.entries(ours).filter(([key, value]) => !(key in images && equal(value, images[key]))),
  );
}

// A port that was exposed by being published is not exposed any more when it is not published any more.
function exposed(
  now: Record<string, Record<string, never>> | null | undefined,
  bound: HostConfig['PortBindings'],
  wanted: NonNullable<Changes['ports']>,
): Record<string, Record<string, never>> {
  const kept = Object.keys(now ?? {}).filter((port) => !(port in (bound ?? {})) || port in wanted);
  return Object.fromEntries([...kept, ...Object.keys(wanted)].map((port) => [port, {}]));
}

function hostConfig(old: ContainerInspect, changes: Changes): HostConfig {
  const config = { ...old.HostConfig };
  if (changes.ports !== undefined) {
    config.PortBindings = changes.ports;
    config.PublishAllPorts = old.HostConfig.PublishAllPorts && Object.keys(changes.ports).length === 0;
  }
  // Volumes that nobody named are found by their mount alone: without this the new container would begin with empty ones.
  const volumes = carriedVolumes(old);
  const nameAt = (target: string) => volumes.find(({ Destination }) => Destination === target)?.Name;
  if (config.Mounts) {
    config.Mounts = config.Mounts.map((mount) =>
      mount.Type === 'volume' && !mount.Source ? { ...mount, Source: nameAt(plain(mount.Target)) } : mount,
    );
  }
  const named = new Set([
    ...(config.Binds ?? []).map((bind) => plain(bind.split(':')[1])),
    ...(config.Mounts ?? []).map((mount) => plain(mount.Target)),
  ]);
  const carried = volumes.filter(({ Destination }) => !named.has(Destination));
  if (carried.length > 0) {
    config.Binds = [
      ...(config.Binds ?? []),
      ...carried.map(({ Name, Destination, RW }) => `${Name}:${Destination}${RW ? '' : ':ro'}`),
    ];
  }
  return config;
}

/** A path as the engine shows it of a mount. */
function plain(path = ''): string {
  return path.replace(/(?<=.)\/+$/, '');
}

/** The volumes of `old` that come over with what is in them. */
export function carriedVolumes(old: ContainerInspect) {
  return old.Mounts.filter((mount) => mount.Type === 'volume' && mount.Name !== undefined && mount.Name !== '');
}

function endpoints(old: ContainerInspect): Record<string, EndpointSettingsInput> {
  const found: Record<string, EndpointSettingsInput> = {};
  const { NetworkMode } = old.HostConfig;
  if (NetworkMode.startsWith('container:')) return found;
  const networks = Object.entries(old.NetworkSettings.Networks ?? {});
  for (const [name, settings] of networks) {
    if (ALONE.includes(name) || settings === null) continue;
    const main = name === NetworkMode || (name === 'bridge' && NetworkMode === 'default');
    const common = {
      // What is said of the whole container is said of its main network: the engine refuses two words on it that differ.
      MacAddress: main && old.Config.MacAddress ? undefined : chosenMac(settings),
      DriverOpts: settings.DriverOpts,
      GwPriority: settings.GwPriority,
    };
    if (name === 'bridge') {
      // Beside another network the mode alone does not bring it. Addresses, links and aliases it does not take.
      if (networks.length > 1 || common.MacAddress !== undefined) found[name] = common;
      continue;
    }
    found[name] = {
      ...common,
      IPAMConfig: settings.IPAMConfig,
      Links: settings.Links,
      // The engine adds the short ID by itself.
      Aliases: settings.Aliases?.filter((alias) => alias !== old.Id.slice(0, 12)) ?? null,
    };
  }
  return found;
}

/**
 * The MAC address, unless the engine made it of the IP address: another container may get that one, and would have the same. One that
 * was drawn cannot be told from one that was asked for, and does no harm when it is kept.
 */
function chosenMac({ MacAddress, IPAddress }: EndpointSettings): string | undefined {
  const bytes = (IPAddress || '').split('.').map((part) => Number(part).toString(16).padStart(2, '0'));
  const made = ['02', '42', ...bytes].join(':');
  return MacAddress && MacAddress.toLowerCase() !== made ? MacAddress : undefined;
}

function equal(one: unknown, other: unknown): boolean {
  const bare = (value: unknown) => (value === null || value === '' || isEmpty(value) ? undefined : value);
  return JSON.stringify(bare(one)) === JSON.stringify(bare(other));
}

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}
