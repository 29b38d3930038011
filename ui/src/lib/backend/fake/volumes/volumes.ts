import type { Volume as Described } from '$lib/api/generated';
import { conflict, invalid, notFound } from '../core/failure';
import { rfc3339 } from '../core/time';
import { type Folder, folder, size } from '../files/tree';
import type { World } from '../world';

export interface Volume {
  name: string;
  created: number;
  labels: Record<string, string>;
  options: Record<string, string>;
  files: Folder;
  /** Bytes that it claims to hold beside its files, so that a scene can have a large one. */
  more: number;
  anonymous: boolean;
}

export interface Wish {
  name?: string;
  driver?: string;
  labels?: Record<string, string>;
  options?: Record<string, string>;
}

const OPTIONS = ['type', 'o', 'device', 'size'];
const REQUIRED = ['type', 'device'];

export class Volumes {
  readonly all = new Map<string, Volume>();

  constructor(readonly world: World) {}

  find(name: string): Volume {
    const volume = this.all.get(name);
    if (volume === undefined) throw notFound(`get${name === '' ? '' : ` ${name}`}: no such volume`);
    return volume;
  }

  /** A new one, or that of this name. */
  create(wish: Wish): Volume {
    const anonymous = !wish.name;
    const name = wish.name || this.world.random.hex(64);
    const driver = wish.driver || 'local';
    if (driver !== 'local') {
      throw notFound(`create ${name}: error looking up volume plugin ${driver}: plugin "${driver}" not found`);
    }
    if (name.length < 2) {
      throw invalid(`create ${name}: volume name is too short, names should be at least two alphanumeric characters`);
    }
    if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(name)) {
      throw invalid(
        `create ${name}: "${name}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`,
      );
    }
    const options = wish.options ?? {};
    for (const option of Object.keys(options)) {
      if (!OPTIONS.includes(option)) throw invalid(`create ${name}: invalid option: "${option}"`);
    }
    const given = Object.keys(options).some((option) => option !== 'size');
    const missing = given ? REQUIRED.find((option) => !options[option]) : undefined;
    if (missing !== undefined) throw invalid(`create ${name}: missing required option: "${missing}"`);
    if (options.size !== undefined) throw invalid(`create ${name}: quota size requested but no quota support`);
    const before = this.all.get(name);
    if (before !== undefined) return before;
    const volume: Volume = {
      name,
      created: this.world.now(),
      labels: { ...wish.labels, ...(anonymous ? { 'com.docker.volume.anonymous': '' } : {}) },
      options,
      files: folder(),
      more: 0,
      anonymous,
    };
    this.all.set(name, volume);
    this.emit('create', name);
    return volume;
  }

  remove(name: string, force: boolean): void {
    const volume = this.all.get(name);
    if (volume === undefined && force) return;
    this.find(name);
    const holders = this.holders(name);
    if (holders.length > 0) throw conflict(`remove ${name}: volume is in use - [${holders.join(', ')}]`);
    this.all.delete(name);
    this.emit('destroy', name);
  }

  /** The containers that use it, whether they run or not. */
  holders(name: string): string[] {
    return this.world.containers
      .all()
      .filter((container) => container.mounts.some((mount) => mount.type === 'volume' && mount.name === name))
      .map((container) => container.id)
      .toSorted();
  }

  size(volume: Volume): number {
    return volume.more + size(volume.files);
  }

  mountpoint(name: string): string {
    return `${this.world.machine.root}/volumes/${name}/_data`;
  }

  describe(volume: Volume): Described {
    return {
      CreatedAt: rfc3339(Math.floor(volume.created / 1000) * 1000),
      Driver: 'local',
      Labels: Object.keys(volume.labels).length > 0 ? volume.labels : null,
      Mountpoint: this.mountpoint(volume.name),
      Name: volume.name,
      Options: Object.keys(volume.options).length > 0 ? volume.options : null,
      Scope: 'local',
    };
  }

  emit(action: string, name: string, more: Record<string, string> = {}): void {
    this.world.bus.emit('volume', action, name, { driver: 'local', ...more });
  }
}
