import { untrack } from 'svelte';

/**
 * The modal dialogs that are open, the newest last. All outside of the newest can neither be pressed nor heard; what must be (toasts) moves
 * into it.
 */
let stack = $state.raw<HTMLElement[]>([]);

export function newestModal(): HTMLElement | undefined {
  return stack.at(-1);
}

export function opened(dialog: HTMLElement): () => void {
  // Called by what draws the dialog: it must not be drawn anew, and so closed, for the next one that opens.
  untrack(() => (stack = [...stack, dialog]));
  return () => untrack(() => (stack = stack.filter((other) => other !== dialog)));
}
