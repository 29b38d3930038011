import { shifted, RealClock, type Clock } from './core/clock';
import { FakeEngine } from './engine';
import { busy } from './scenes/busy';
import { HOUR } from './scenes/build';
import { have, stock } from './scenes/catalogue';
import { chatty } from './scenes/chatty';
import { failing } from './scenes/failing';
import { hostile } from './scenes/hostile';
import { many } from './scenes/many';

/** What a simulated engine can have in it. */
export const SCENES = [
  'busy',
  'empty',
  'many',
  'hostile',
  'unreachable',
  'skewed',
  'chatty',
  'failing',
  // Of the machine (`host.ts`): nothing was ever started; stopped; on its way; one that fails at a step of its start; one that stands still.
  'first',
  'stopped',
  'starting',
  'fails-check',
  'fails-image',
  'fails-disk',
  'fails-boot',
  'fails-link',
  'fails-engine',
  'trouble',
] as const;
export type SceneName = (typeof SCENES)[number];

export function isScene(name: string): name is SceneName {
  return (SCENES as readonly string[]).includes(name);
}

export interface SceneOptions {
  clock?: Clock;
  seed?: number;
}

/** An engine with a scene in it. */
export function scene(name: SceneName = 'busy', { clock = new RealClock(), seed = 1 }: SceneOptions = {}): FakeEngine {
  // The engine's clock may be wrong: it is an hour ahead of the page's.
  const engine = new FakeEngine({ clock: name === 'skewed' ? shifted(clock, HOUR) : clock, seed });
  stock(engine.world);
  furnish(engine, name);
  engine.world.bus.forget();
  return engine;
}

function furnish(engine: FakeEngine, name: SceneName): void {
  const { world } = engine;
  switch (name) {
    case 'empty':
    case 'first':
      return;
    case 'many':
      return many(world);
    case 'hostile':
      return hostile(world);
    case 'chatty':
      return chatty(world);
    case 'failing':
      return failing(engine);
    case 'unreachable':
      have(world, 'busybox:latest');
      engine.fail({
        path: /^/,
        status: 'unreachable',
        message: 'dial unix /run/berth/engine.sock: connect: connection refused',
      });
      return;
    default:
      return busy(world);
  }
}
