import type { DiskUsage, ImageSummary, SystemInfo, SystemVersion, Volume } from '$lib/api/generated';
import type { Answer } from '../../backend';
import { Failure, invalid } from '../core/failure';
import { bytes, encode, json } from '../core/reply';
import { empty } from '../core/reply';
import type { Call } from '../core/call';
import type { Handler, Routes } from '../core/router';
import { atoi } from '../core/strconv';
import { Fault, parse } from '../core/syntax';
import { rfc3339 } from '../core/time';
import { summarise as summariseContainer } from '../containers/list';
import { stored } from '../images/remove';
import { summarise as summariseImage } from '../images/list';
import type { World } from '../world';

/** The dockerd whose behaviour the engine follows, and the newest API. */
const DOCKER_VERSION = '28.5.2';
const API_VERSION = '1.51';
const MIN_API_VERSION = '1.24';
const OWN_VERSION = '0.1.0';
const NO_BUILDS = 'the simulated engine builds nothing';
const JSON_OF_BUILDS = { buildargs: 'build args', labels: 'labels', cachefrom: 'cache-from' };
/** How much of the cache a prune leaves, by all of its names. */
const ROOM = ['keep-storage', 'reserved-space', 'max-used-space'];
const KINDS = ['container', 'image', 'volume', 'build-cache'];

const ping: Handler = (_, call): Answer => {
  const headers = {
    'cache-control': 'no-cache, no-store, must-revalidate',
    pragma: 'no-cache',
    'builder-version': '2',
    swarm: 'inactive',
  };
  const body = call.method === 'HEAD' ? new Uint8Array() : encode('OK');
  return bytes(body, 'text/plain; charset=utf-8', 200, headers);
};

const unbuilt: Handler = (_, call) => {
  for (const [name, what] of Object.entries(JSON_OF_BUILDS)) {
    const text = call.filled(name);
    if (text !== undefined) readable(text, what);
  }
  throw new Failure(501, NO_BUILDS);
};

/** What nothing of the pages asks for: a connection that becomes gRPC. */
const unupgraded: Handler = () => {
  throw new Failure(500, 'no upgrade proto in request');
};

export const routes: Routes = {
  'GET /_ping': ping,
  'HEAD /_ping': ping,
  'GET /version': ({ machine }) => json(version(machine)),
  'GET /info': (world) => json(info(world)),
  'GET /system/df': (world, call) => json(usage(world, call.query.getAll('type'))),

  'POST /auth': async (_, call) => {
    const config = await call.json<{ username?: string; password?: string }>();
    if (config.password === 'wrong') {
      throw new Failure(401, 'Get "https://registry-1.docker.io/v2/": unauthorized: incorrect username or password');
    }
    return json({ IdentityToken: '', Status: 'Login Succeeded' });
  },

  'POST /build': unbuilt,
  'POST /session': unupgraded,
  'POST /grpc': unupgraded,
  'POST /build/prune': ({ builds, bus, clock }, call) => {
    const room = Math.max(...ROOM.map((name) => bytesOf(call, name)));
    const gone = builds.prune(call.filters(), room, clock.now());
    const reclaimed = gone.reduce((sum, { size }) => sum + size, 0);
    bus.emit('builder', 'prune', '', { reclaimed: String(reclaimed) });
    return json({ CachesDeleted: gone.length > 0 ? gone.map(({ id }) => id) : null, SpaceReclaimed: reclaimed });
  },
  'POST /build/cancel': () => empty(204),
};

function bytesOf(call: Call, name: string): number {
  const text = call.filled(name) ?? '0';
  return Math.abs(atoi(text, (words) => invalid(`${name} is in bytes and expects an integer, got ${text}: ${words}`)));
}

function readable(text: string, what: string): void {
  try {
    parse(text);
  } catch (error) {
    throw error instanceof Fault ? invalid(`error reading ${what}: ${error.message}`) : error;
  }
}

function version({ kernel }: World['machine']): SystemVersion {
  const engine = {
    ApiVersion: API_VERSION,
    Arch: 'amd64',
    BuildTime: '',
    Experimental: 'false',
    GitCommit: '',
    GoVersion: '',
    KernelVersion: kernel,
    MinAPIVersion: MIN_API_VERSION,
    Os: 'linux',
  };
  return {
    Platform: { Name: `Berth ${OWN_VERSION}` },
    Components: [
      { Name: 'Engine', Version: DOCKER_VERSION, Details: engine },
      { Name: 'Berth', Version: OWN_VERSION, Details: { GitCommit: '' } },
    ],
    Version: DOCKER_VERSION,
    ApiVersion: API_VERSION,
    MinAPIVersion: MIN_API_VERSION,
    GitCommit: '',
    GoVersion: '',
    Os: 'linux',
    Arch: 'amd64',
    KernelVersion: kernel,
  };
}

function info(world: World): SystemInfo {
  const { machine } = world;
  const all = world.containers.all();
  const paused = all.filter((container) => container.state.is === 'paused').length;
  const running = all.filter((container) => container.countsAsRunning).length - paused;
  const runtime = { path: 'berth-agent' };
  return {
    ID: machine.id,
    Containers: all.length,
    ContainersRunning: running,
    ContainersPaused: paused,
    ContainersStopped: all.length - running - paused,
    Images: world.images.all.size,
    Driver: 'overlay2',
    DriverStatus: [
      ['Backing Filesystem', 'extfs'],
      ['Supports d_type', 'true'],
      ['Using metacopy', 'false'],
      ['Native Overlay Diff', 'true'],
      ['userxattr', 'false'],
    ],
    Plugins: {
      Volume: ['local'],
      Network: ['bridge', 'host', 'ipvlan', 'macvlan', 'null'],
      Authorization: null,
      Log: ['json-file', 'local'],
    },
    MemoryLimit: true,
    SwapLimit: true,
    CpuCfsPeriod: true,
    CpuCfsQuota: true,
    CPUShares: true,
    CPUSet: true,
    PidsLimit: true,
    IPv4Forwarding: true,
    Debug: false,
    NFd: 64,
    OomKillDisable: false,
    NGoroutines: 40,
    SystemTime: rfc3339(world.now()),
    LoggingDriver: 'json-file',
    CgroupDriver: 'cgroupfs',
    CgroupVersion: '2',
    NEventsListener: world.bus.listeners,
    KernelVersion: machine.kernel,
    OperatingSystem: 'Berth 0.1 (Linux 6.12)',
    OSVersion: '0.1',
    OSType: 'linux',
    Architecture: 'x86_64',
    IndexServerAddress: 'https://index.docker.io/v1/',
    RegistryConfig: {
      InsecureRegistryCIDRs: ['127.0.0.0/8', '::1/128'],
      IndexConfigs: { 'docker.io': { Name: 'docker.io', Mirrors: [], Secure: true, Official: true } },
      Mirrors: null,
    },
    NCPU: machine.cpus,
    MemTotal: machine.memory,
    GenericResources: null,
    DockerRootDir: machine.root,
    HttpProxy: '',
    HttpsProxy: '',
    NoProxy: '',
    Name: machine.name,
    Labels: [],
    ExperimentalBuild: false,
    ServerVersion: DOCKER_VERSION,
    Runtimes: { 'io.containerd.runc.v2': runtime, runc: runtime },
    DefaultRuntime: 'runc',
    Swarm: {
      NodeID: '',
      NodeAddr: '',
      LocalNodeState: 'inactive',
      ControlAvailable: false,
      Error: '',
      RemoteManagers: null,
    },
    LiveRestoreEnabled: true,
    Isolation: '',
    InitBinary: 'berth-agent',
    ContainerdCommit: { ID: '' },
    RuncCommit: { ID: '' },
    InitCommit: { ID: '' },
    SecurityOptions: ['name=seccomp,profile=builtin', 'name=cgroupns'],
    FirewallBackend: { Driver: 'nftables' },
    CDISpecDirs: [],
    Warnings: null,
  };
}

/** What takes how much room; a kind that was not asked for is `null`. */
function usage(world: World, asked: string[]): DiskUsage {
  const unknown = asked.find((kind) => !KINDS.includes(kind));
  if (unknown !== undefined) throw invalid(`unknown object type: ${unknown}`);
  const wants = (kind: string) => asked.length === 0 || asked.includes(kind);
  const { containers, images, volumes } = world;
  return {
    LayersSize: wants('image') ? stored(world) : 0,
    Images: wants('image')
      ? [...images.all.values()]
          .filter((image) => !images.isIntermediate(image))
          .map((image) => nulled(summariseImage(world, image)))
      : null,
    Containers: wants('container')
      ? containers
          .all()
          .toSorted((a, b) => b.created - a.created)
          .map((container) => summariseContainer(world, container, true))
      : null,
    Volumes: wants('volume')
      ? [...volumes.all.values()]
          .filter((volume) => Object.keys(volume.options).length === 0)
          .map((volume): Volume => ({
            ...volumes.describe(volume),
            UsageData: { RefCount: volumes.holders(volume.name).length, Size: volumes.size(volume) },
          }))
      : null,
    BuildCache: wants('build-cache') ? world.builds.list() : null,
  };
}

// Unlike in lists, no names are `null` here.
function nulled(summary: ImageSummary): ImageSummary {
  const none = (names: string[] | null) => (names?.length ? names : null);
  return { ...summary, RepoTags: none(summary.RepoTags), RepoDigests: none(summary.RepoDigests) };
}
