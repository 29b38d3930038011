/** An engine on which things go wrong: pulls that break off half way, containers that cannot start, a disk that is full. */
import type { FakeEngine } from '../engine';
import { busy } from './busy';
import { MINUTE, run } from './build';

export function failing(engine: FakeEngine): void {
  const { world } = engine;
  busy(world);
  world.registry.breaking.set('nginx:latest', {
    after: 20_000_000,
    times: 1,
    message: 'read tcp 10.0.2.15:41822->104.16.101.207:443: read: connection reset by peer',
  });
  world.registry.breaking.set('postgres:latest', {
    after: 60_000_000,
    times: Infinity,
    message:
      'write /var/lib/berth/content/sha256: no space left on device: remove images, or give the machine a larger disk',
  });
  run(world, { name: 'no-such-command', image: 'alpine:3.22', ago: 2 * MINUTE, command: ['serve'], state: 'created' });
  run(world, {
    name: 'port-is-taken',
    image: 'nginx:1.27',
    ago: MINUTE,
    ports: { '80/tcp': '8080' },
    state: 'created',
  });
  engine.fail({
    path: /^\/volumes\/[^/]+$/,
    method: 'DELETE',
    status: 500,
    message: 'the volume could not be unmounted: device or resource busy',
  });
  engine.fail({
    path: /^\/containers\/[^/]+\/stats/,
    method: 'GET',
    after: 40_000,
    message: 'the connection was reset',
  });
}
