import { desktopHost } from './desktop';
import type { Host } from './host';
import { Http } from './http';

/**
 * The one place that knows what may carry the requests. The window's pages are built for it (`npm run build:window`). Pages in a browser
 * reach an engine and a daemon over the bridge of their server (`dev/bridge.ts`) if it leads to one, else simulated ones, in the scene that
 * the address names (`?scene=busy`).
 *
 * `VITE_BACKEND=http` when the pages are built leaves the simulated ones out of the bundle.
 */
export async function choose(): Promise<Host> {
  if (import.meta.env.MODE === 'window') return await desktopHost();
  const scene = new URLSearchParams(location.search).get('scene');
  if (import.meta.env.VITE_BACKEND !== 'http' && scene !== null) return simulated(scene);
  const [engine, daemon] = [new Http('engine'), new Http('daemon')];
  const [hasEngine, hasDaemon] = await Promise.all([engine.exists(), daemon.exists()]);
  if (import.meta.env.VITE_BACKEND !== 'http' && !hasEngine && !hasDaemon) return simulated('busy');
  return hasDaemon ? { engine, daemon } : { engine };
}

async function simulated(name: string): Promise<Host> {
  const [scenes, { host }] = await Promise.all([import('./fake/scenes'), import('./fake/host')]);
  if (!scenes.isScene(name)) throw new Error(`no scene is called “${name}”; there are ${scenes.SCENES.join(', ')}`);
  const made = host(name);
  // For tests in a browser and whoever tries the pages: `engine.fail(…)`, `daemon.machine.dies()` in the console.
  Object.assign(globalThis, made);
  return made;
}
