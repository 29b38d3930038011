import { getContext, setContext } from 'svelte';
import type { Backend } from '$lib/backend/backend';
import type { Desktop, Host } from '$lib/backend/host';

const KEY = Symbol('host');

/** Gives every page below what it stands on. */
export function provide(host: Host): void {
  setContext(KEY, host);
}

/** The backend of this window; to be asked for while a component is being made. */
export function engine(): Backend {
  return getContext<Host>(KEY).engine;
}

/** The daemon that owns the machine; undefined where there is an engine alone. As `engine`. */
export function daemon(): Backend | undefined {
  return getContext<Host>(KEY).daemon;
}

/** What only a program on this computer can do; undefined in a browser. As `engine`. */
export function desktop(): Desktop | undefined {
  return getContext<Host>(KEY).desktop;
}
