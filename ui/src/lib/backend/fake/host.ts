import type { Host } from '../host';
import { FakeDaemon } from './daemon/daemon';
import { FakeDesktop } from './daemon/desktop';
import { FATES, SLOW } from './daemon/script';
import type { FakeEngine } from './engine';
import { DEFAULT, FakeMachines } from './machines/machines';
import { HOUR } from './scenes/build';
import { scene, type SceneName, type SceneOptions } from './scenes';

/** All that pages stand on, simulated. */
export interface FakeHost extends Host {
  engine: FakeEngine;
  daemon?: FakeDaemon;
  desktop?: FakeDesktop;
}

const DISK_FULL = "the host's disk is full: free some room, the machine waits until there is some";

/** A computer with a scene on it. */
export function host(name: SceneName = 'busy', options: SceneOptions = {}): FakeHost {
  const engine = scene(name, options);
  // An engine alone, to which nobody has the way: no daemon could say why.
  if (name === 'unreachable') return { engine };
  const daemon = new FakeDaemon(engine);
  const machines = new FakeMachines(engine, daemon);
  if (name === 'busy') {
    machines.had('staging', { cpus: 2, memory_mib: 2048, disk_gib: 32 });
    machines.tookBefore(DEFAULT, 'before-upgrade', 52 * HOUR);
  }
  const desktop = new FakeDesktop(machines, engine.world.clock);
  set(daemon, name);
  return { engine, daemon, desktop };
}

function set(daemon: FakeDaemon, name: SceneName): void {
  const { machine, settings } = daemon;
  switch (name) {
    case 'first':
      return;
    case 'stopped':
      return stopped(daemon);
    case 'starting':
      stopped(daemon);
      machine.script = SLOW;
      machine.ask({ is: 'up' });
      return;
    case 'fails-check':
    case 'fails-image':
    case 'fails-disk':
    case 'fails-boot':
    case 'fails-link':
    case 'fails-engine': {
      stopped(daemon);
      const step = name.slice('fails-'.length) as keyof typeof FATES;
      // As its words say.
      if (step === 'engine') settings.set('engine_deadline', '5s');
      machine.script = { ...machine.script, ...FATES[step] };
      return;
    }
    case 'trouble':
      machine.runs(3 * HOUR);
      return machine.trouble(DISK_FULL);
    default:
      return machine.runs(3 * HOUR);
  }
}

/** The machine was there once, and its containers ran. */
function stopped({ machine }: FakeDaemon): void {
  machine.ran();
  machine.contents.stop();
}
