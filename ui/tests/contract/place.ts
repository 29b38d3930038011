/** Where the contract pulls from, pushes to and searches. */
import { connect } from 'node:net';
import type { FakeEngine } from '$lib/backend/fake/engine';
import { bake } from '$lib/backend/fake/scenes/catalogue';

export interface Place {
  /** The first part of references: a registry that takes what is pushed. */
  registry: string;
  /** Of an image with more layers than are fetched at once, whose pull stops in the first of them until it is let go or broken off. */
  held: string;
  /** The first part of terms: `ship` and `me/ship` are there. */
  index: string;
  breakOff(): Promise<void>;
  letGo(): Promise<void>;
}

/** As `tests/front_end` of the workspace tells of it. */
export function real(told: string): Place {
  const { lever, ...place } = JSON.parse(told) as { registry: string; held: string; index: string; lever: number };
  const turn = (word: string) =>
    new Promise<void>((resolve, reject) => {
      const socket = connect(lever, '127.0.0.1', () => socket.write(`${word}\n`));
      socket.once('data', (said) => {
        socket.destroy();
        if (said.toString() === 'done\n') resolve();
        else reject(new Error(`the gate's lever says ${said.toString()}`));
      });
      socket.once('error', reject);
    });
  return { ...place, breakOff: () => turn('break'), letGo: () => turn('open') };
}

const MIB = 1 << 20;

export function simulated({ world }: FakeEngine): Place {
  const place = {
    registry: 'registry.contract:5000',
    held: 'held.contract:5000/layers:1',
    index: 'index.contract:5000',
  };
  const steps = [1, 2, 3, 4, 5].map((n): [string, number] => [`COPY file${n} /`, 3 * MIB]);
  world.registry.publish(place.held, () => bake(world, { name: place.held, base: 'none', steps, age: 1 }));
  world.registry.domains.add(place.registry);
  world.registry.breaking.set(place.held, { after: 1.5 * MIB, times: 1, message: 'unexpected EOF' });
  const found = { description: 'sails', at: place.index };
  world.registry.index.push(
    { ...found, name: 'ship', stars: 10, official: true },
    { ...found, name: 'me/ship', stars: 3, official: false },
  );
  // The first pull breaks off by itself.
  return { ...place, breakOff: () => Promise.resolve(), letGo: () => Promise.resolve() };
}
