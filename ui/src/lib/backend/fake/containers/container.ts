import type { ContainerConfig, EndpointSettings, HostConfig, MountPoint } from '$lib/api/generated';
import { type Folder, Tree, copy } from '../files/tree';
import { type Behaviour, IDLE, type Load } from '../process/behaviour';
import type { Process, Stream } from '../process/process';
import type { World } from '../world';
import type { Health } from './health';
import { Log } from './log';

/** How a run ended. */
export interface Exit {
  code: number;
  oomKilled: boolean;
  started?: number;
  finished?: number;
  error: string;
}

export type State =
  | { is: 'created'; failure?: { code: number; message: string } }
  | { is: 'running' | 'paused'; pid: number; since: number }
  | { is: 'restarting' | 'exited' | 'removing'; exit: Exit };

export interface Mounted {
  type: 'volume' | 'bind' | 'tmpfs';
  /** Of the volume. */
  name: string;
  source: string;
  destination: string;
  mode: string;
  rw: boolean;
  anonymous: boolean;
}

export interface Parts {
  id: string;
  name: string;
  created: number;
  /** The image's ID. */
  image: string;
  config: ContainerConfig;
  host: HostConfig;
  endpoints: Map<string, EndpointSettings>;
  mounts: Mounted[];
  behaviour: Behaviour;
  /** What its image holds. */
  base: Folder;
}

/** One container: what it was made as, and what became of it. What happens to it is in `lifecycle.ts`. */
export class Container implements Parts {
  readonly id: string;
  name: string;
  readonly created: number;
  readonly image: string;
  readonly config: ContainerConfig;
  host: HostConfig;
  readonly endpoints: Map<string, EndpointSettings>;
  readonly mounts: Mounted[];
  behaviour: Behaviour;
  readonly base: Folder;

  state: State = { is: 'created' };
  process: Process | undefined;
  health: Health | undefined;
  readonly log: Log;
  /** Ports of the machine that it has, while it runs. */
  published = new Map<string, { HostIp: string; HostPort: string }[]>();
  stoppedByUser = false;
  restarts = 0;
  delay = 0;
  cancelRestart: (() => void) | undefined;
  #listeners = new Set<(stream: Stream, bytes: Uint8Array) => void>();
  #ends = new Set<() => void>();
  #gone = new Set<() => void>();
  #tree: Tree | undefined;
  readonly #world: World;

  constructor(world: World, parts: Parts) {
    this.#world = world;
    this.id = parts.id;
    this.name = parts.name;
    this.created = parts.created;
    this.image = parts.image;
    this.config = parts.config;
    this.host = parts.host;
    this.endpoints = parts.endpoints;
    this.mounts = parts.mounts;
    this.behaviour = parts.behaviour;
    this.base = parts.base;
    this.log = new Log(() => world.now());
  }

  get countsAsRunning(): boolean {
    return ['running', 'paused', 'restarting'].includes(this.state.is);
  }

  get labels(): Record<string, string> {
    return this.config.Labels ?? {};
  }

  get command(): string[] {
    return [...(this.config.Entrypoint ?? []), ...(this.config.Cmd ?? [])];
  }

  get load(): Load {
    return { ...IDLE, ...this.behaviour.load };
  }

  /** How the last run ended; of one that is under way only when it began. */
  get exit(): Exit {
    const state = this.state;
    const none = { code: 0, oomKilled: false, error: '' };
    if (state.is === 'created') {
      return state.failure ? { ...none, code: state.failure.code, error: state.failure.message } : none;
    }
    return 'exit' in state ? state.exit : { ...none, started: state.since };
  }

  /** Its files: the image's until it changes them, and its volumes. */
  get files(): Tree {
    if (this.#tree === undefined) {
      this.#tree = new Tree(copy(this.base));
      this.#tree.write('/.dockerenv', '', { time: this.created });
      // An image of nothing at all has none.
      this.#tree.makeFolder('/etc', { time: this.created });
      this.#tree.write('/etc/hostname', `${this.config.Hostname}\n`, { time: this.created });
      for (const mount of this.mounts) {
        const volume = mount.type === 'volume' ? this.#world.volumes.all.get(mount.name) : undefined;
        if (volume) this.#tree.mount(mount.destination, volume.files, this.created);
        else if (mount.type === 'tmpfs') this.#tree.makeFolder(mount.destination, { time: this.created });
      }
    }
    return this.#tree;
  }

  /** Whether anything has been looked at or written in it yet. */
  get touched(): boolean {
    return this.#tree !== undefined;
  }

  write(stream: Stream, bytes: Uint8Array): void {
    this.log.write(stream, bytes);
    for (const listener of [...this.#listeners]) listener(stream, bytes);
  }

  /** Everything that its process writes from now on. */
  onOutput(listener: (stream: Stream, bytes: Uint8Array) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Every end of a run from now on. */
  onEnd(job: () => void): () => void {
    this.#ends.add(job);
    return () => this.#ends.delete(job);
  }

  tellEnd(): void {
    for (const job of [...this.#ends]) job();
  }

  onGone(job: () => void): () => void {
    this.#gone.add(job);
    return () => this.#gone.delete(job);
  }

  tellGone(): void {
    for (const job of [...this.#gone]) job();
  }

  emit(action: string, more: Record<string, string> = {}): void {
    const attributes = { ...this.labels, image: this.config.Image, name: this.name, ...more };
    this.#world.bus.emit('container', action, this.id, attributes);
  }

  mountPoints(): MountPoint[] {
    return this.mounts.map((mount) => ({
      Type: mount.type,
      ...(mount.type === 'volume' ? { Name: mount.name } : {}),
      Source: mount.type === 'volume' ? this.#world.volumes.mountpoint(mount.name) : mount.source,
      Destination: mount.destination,
      ...(mount.type === 'volume' ? { Driver: 'local' } : {}),
      Mode: mount.mode,
      RW: mount.rw,
      Propagation: mount.type === 'bind' ? 'rprivate' : '',
    }));
  }
}
