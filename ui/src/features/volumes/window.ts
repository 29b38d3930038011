/**
 * Which windows there are. What one makes in the engine for itself bears its id, so that the others can tell whether somebody still needs it.
 * A lock is held as long as the window is there: the browser lets go of it however the window ends.
 */
const PREFIX = 'berth.window ';

/** This window, until it is loaded anew. */
export const WINDOW = crypto.randomUUID();

let held = false;

/** Lets the other windows know of this one. */
export function beKnown(): void {
  if (held) return;
  held = true;
  // Not over plain HTTP of another machine: age alone decides there.
  navigator.locks?.request(PREFIX + WINDOW, () => new Promise(() => undefined)).catch(() => (held = false));
}

/** This window and those of the same browser that are known. */
export async function known(): Promise<Set<string>> {
  const locks = (await navigator.locks?.query())?.held ?? [];
  const names = locks.flatMap(({ name }) => (name?.startsWith(PREFIX) ? [name.slice(PREFIX.length)] : []));
  return new Set([WINDOW, ...names]);
}
