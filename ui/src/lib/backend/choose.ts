import type { Backend } from './backend';

/**
 * The one place that knows what may carry the requests. Pages in a browser reach an engine over the bridge of their server (`dev/bridge.ts`)
 * if it leads to one, else the simulated engine, in the scene that the address names (`?scene=busy`).
 *
 * `VITE_BACKEND=http`, set when the pages are built, leaves the simulated engine out of the bundle.
 */
export async function choose(): Promise<Backend> {
  const scene = new URLSearchParams(location.search).get('scene');
  if (import.meta.env.VITE_BACKEND === 'http' || (scene === null && (await bridged()))) {
    const { Http } = await import('./http');
    return new Http();
  }
  const scenes = await import('./fake/scenes');
  return scenes.scene(scene ?? 'busy');
}

/** Whether this page's server leads to an engine, there at the moment or not: the bridge marks its answers. */
async function bridged(): Promise<boolean> {
  const answer = await fetch('/engine/_ping', { method: 'HEAD' });
  return answer.headers.has('x-berth-bridge');
}
