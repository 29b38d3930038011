import { Refused } from '$lib/api/call';
import { words } from './toasts.svelte';

/** What stayed, and why. */
export type Kept = { name: string; why: string };

/**
 * Removes each of `of` by itself, in their order: what stays keeps no other. What is gone already is as wanted. What was begun is lost with
 * an engine that does not answer any more: each that is left says so.
 */
export async function each<T>(
  of: readonly T[],
  name: (one: T) => string,
  remove: (one: T) => Promise<void>,
): Promise<{ done: T[]; kept: Kept[] }> {
  const done: T[] = [];
  const kept: Kept[] = [];
  for (const one of of) {
    try {
      await remove(one);
    } catch (error) {
      if (!(error instanceof Refused && error.status === 404)) {
        kept.push({ name: name(one), why: words(error) });
        continue;
      }
    }
    done.push(one);
  }
  return { done, kept };
}
