import { getContext, setContext } from 'svelte';
import type { Backend } from '$lib/backend/backend';

const KEY = Symbol('backend');

/** Gives every page below the backend that it speaks through. */
export function provide(backend: Backend): void {
  setContext(KEY, backend);
}

/** The backend of this window; to be asked for while a component is being made. */
export function engine(): Backend {
  return getContext<Backend>(KEY);
}
