/** Five hundred containers, to see that lists bear them. */
import type { Program } from '../process/process';
import type { World } from '../world';
import { DAY, HOUR, MINUTE, over, projectNetwork, run, service } from './build';

const COUNT = 500;
const PER_PROJECT = 10;
const IMAGES = ['nginx:1.27', 'redis:7', 'postgres:16', 'shop/web:dev', 'shop/worker:dev'];

export function many(world: World): void {
  const quiet = { program: silent };
  for (let index = 0; index < COUNT; index++) {
    const image = IMAGES[index % IMAGES.length]!;
    const ago = 5 * MINUTE + ((index * 7919) % (30 * DAY));
    const project = `project-${String(Math.floor(index / PER_PROJECT)).padStart(2, '0')}`;
    const name = `service-${String(index % PER_PROJECT)}`;
    if (index % PER_PROJECT === 0 && index < COUNT / 2) projectNetwork(world, project, 30 * DAY);
    // The first half belongs to projects, the second stands alone.
    const container =
      index < COUNT / 2
        ? service(world, project, name, { image, ago, behaviour: quiet })
        : run(world, { name: `standalone-${String(index).padStart(3, '0')}`, image, ago, behaviour: quiet });
    if (index % 4 === 3) over(world, container, index % 8 === 7 ? 137 : 0, Math.min(ago, HOUR));
  }
}

/** Five hundred servers that all talk would be another test. */
const silent: Program = (process) => {
  for (const signal of [2, 3, 15]) process.trap(signal, () => process.exit(0));
};
