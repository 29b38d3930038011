import type { Backend } from './backend';

const HTTP = import.meta.glob<{ Http: new (base?: string) => Backend }>('./http.ts');
const FAKE = import.meta.glob<{ scene: (name: string) => Backend }>('./fake/scenes.ts');

/**
 * The one place that knows what may carry the requests. When the pages are built, `VITE_BACKEND` settles it: the window's bundle
 * (`vite build --mode window`, see `.env.window`) speaks through its shell and has neither of the others in it. Any other bundle is for a
 * browser: over the server's bridge if that leads to an engine, else over the simulated engine, in the scene that the address names.
 */
export async function choose(): Promise<Backend> {
  const { scene: name } = Object.fromEntries(new URLSearchParams(location.search));
  const fake = await FAKE['./fake/scenes.ts']?.();
  if (fake === undefined || (name === undefined && (await bridged()))) {
    const { Http } = await HTTP['./http.ts']!();
    return new Http('/engine');
  }
  return fake.scene(name ?? 'busy');
}

/** Whether this page's server leads to an engine, there at the moment or not: `dev/bridge.ts` marks its answers. */
async function bridged(): Promise<boolean> {
  const answer = await fetch('/engine/_ping');
  return answer.headers.has('x-berth-bridge');
}
