import { getContext, setContext } from 'svelte';
import type { Backend } from '$lib/backend/backend';
import type { Desktop, Host } from '$lib/backend/host';

const KEY = Symbol('host');

type Stand = { host: Host; turn: (host: Host) => void };

/** Gives every page below what it stands on; `turn` has all of them stand on something else. */
export function provide(host: Host, turn: (host: Host) => void = () => location.reload()): void {
  setContext<Stand>(KEY, { host, turn });
}

/** Has all pages stand on something else, as another machine is. As `engine`. */
export function turn(): (host: Host) => void {
  return getContext<Stand>(KEY).turn;
}

/** The backend of this window; to be asked for while a component is being made. */
export function engine(): Backend {
  return getContext<Stand>(KEY).host.engine;
}

/** The daemon that owns the machine; undefined where there is an engine alone. As `engine`. */
export function daemon(): Backend | undefined {
  return getContext<Stand>(KEY).host.daemon;
}

/** What only a program on this computer can do; undefined in a browser. As `engine`. */
export function desktop(): Desktop | undefined {
  return getContext<Stand>(KEY).host.desktop;
}
