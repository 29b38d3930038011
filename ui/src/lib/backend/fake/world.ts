import type { Clock } from './core/clock';
import { Random } from './core/random';
import { BuildCache } from './builds/cache';
import { BuildHistory } from './builds/history';
import { Containers } from './containers/containers';
import { Execs } from './containers/exec';
import { Bus } from './events/bus';
import { Images } from './images/images';
import { Registry } from './images/registry';
import { Networks } from './networks/networks';
import { Volumes } from './volumes/volumes';

/** Everything that is in one simulated engine. */
export class World {
  readonly clock: Clock;
  readonly random: Random;
  readonly bus: Bus;
  readonly machine = {
    id: '',
    name: 'berth',
    kernel: '6.12.0-berth',
    architecture: 'amd64',
    cpus: 4,
    /** Bytes. */
    memory: 8 * 1024 ** 3,
    root: '/var/lib/berth',
  };
  readonly containers = new Containers(this);
  readonly execs = new Execs(this);
  readonly images = new Images(this);
  readonly registry = new Registry();
  readonly volumes = new Volumes(this);
  readonly builds = new BuildCache();
  readonly history = new BuildHistory(this);
  readonly networks: Networks;
  #latest = 0;
  #ago = 0;
  #pid = 1000;

  constructor(clock: Clock, seed: number) {
    this.clock = clock;
    this.random = new Random(seed);
    this.bus = new Bus(() => this.now());
    this.machine.id = this.random.hex(32);
    this.networks = new Networks(this);
  }

  /** The time, never the same twice: what came later is later. */
  now(): number {
    this.#latest = Math.max(this.clock.now() - this.#ago, this.#latest + 0.001);
    return this.#latest;
  }

  /** Has what `job` does count as done `ms` ago, for what was there before a scene begins. */
  past<T>(ms: number, job: () => T): T {
    const [latest, ago] = [this.#latest, this.#ago];
    [this.#latest, this.#ago] = [0, ms];
    try {
      return job();
    } finally {
      [this.#latest, this.#ago] = [latest, ago];
    }
  }

  nextPid(): number {
    this.#pid += this.random.between(1, 9);
    return this.#pid;
  }
}
