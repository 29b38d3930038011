/**
 * The modal dialogs that are open, the newest last. All outside of the newest can neither be pressed nor heard; what must be (toasts) moves
 * into it.
 */
let stack = $state.raw<HTMLElement[]>([]);

export function newestModal(): HTMLElement | undefined {
  return stack.at(-1);
}

export function opened(dialog: HTMLElement): () => void {
  stack = [...stack, dialog];
  return () => (stack = stack.filter((other) => other !== dialog));
}
