import type { Backend } from './backend';
import { desktopHost } from './desktop';
import { Http } from './http';

/**
 * The one place that knows what may carry the requests. Pages in a browser reach an engine over the bridge of their server (`dev/bridge.ts`)
 * if it leads to one, else the simulated engine, in the scene that the address names (`?scene=busy`).
 *
 * `VITE_BACKEND=http` when the pages are built leaves the simulated engine out of the bundle.
 */
export async function choose(): Promise<Backend> {
  if (import.meta.env.MODE === 'window') return desktopHost().engine;
  const http = new Http();
  const scene = new URLSearchParams(location.search).get('scene');
  if (import.meta.env.VITE_BACKEND === 'http' || (scene === null && (await http.exists()))) return http;
  return simulated(scene ?? 'busy');
}

async function simulated(name: string): Promise<Backend> {
  const scenes = await import('./fake/scenes');
  if (!scenes.isScene(name)) throw new Error(`no scene is called “${name}”; there are ${scenes.SCENES.join(', ')}`);
  const engine = scenes.scene(name);
  // For tests in a browser and whoever tries the pages: `engine.fail(…)` in the console.
  Object.assign(globalThis, { engine });
  return engine;
}
