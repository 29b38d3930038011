import { tick } from 'svelte';
import type { Line } from './table';

/** The one row of a table that the keyboard is on. It stays with its row while that is there, and with its place when the row goes. */
export class Active<T> {
  key = $state<string>();
  readonly #lines: () => readonly Line<T>[];
  readonly #element: (at: number) => HTMLElement | null | undefined;
  /** Where it was: when its row goes, the one that comes to stand there takes its part. */
  #was = 0;
  /** Whether the focus is among the rows. */
  #focused = false;

  /** `element` is the row at a place, if it is drawn. To be made while a component is. */
  constructor(lines: () => readonly Line<T>[], element: (at: number) => HTMLElement | null | undefined) {
    this.#lines = lines;
    this.#element = element;
    // A row that goes takes the focus with it, and the browser hands that to nobody.
    $effect(() => {
      const { at } = this;
      void this.#lines();
      if (this.#focused && document.activeElement === document.body) this.#element(at)?.focus({ preventScroll: true });
    });
  }

  readonly at: number = $derived.by(() => {
    const lines = this.#lines();
    const at = this.key === undefined ? 0 : lines.findIndex((line) => line.key === this.key);
    if (at >= 0) this.#was = at;
    return Math.max(0, Math.min(this.#was, lines.length - 1));
  });

  /** Goes to the line at a place, or to the nearest there is. */
  async move(to: number): Promise<void> {
    const lines = this.#lines();
    const at = Math.max(0, Math.min(to, lines.length - 1));
    this.key = lines[at]?.key;
    // The active row is always drawn, so it can be scrolled to from anywhere.
    await tick();
    const row = this.#element(at);
    row?.scrollIntoView({ block: 'nearest' });
    row?.focus({ preventScroll: true });
  }

  /** The focus came among the rows. */
  entered = (): void => {
    this.#focused = true;
  };

  left = ({ currentTarget, target, relatedTarget }: FocusEvent): void => {
    const rows = currentTarget as Node;
    if (relatedTarget instanceof Node) this.#focused = rows.contains(relatedTarget);
    // To nowhere: the person let go if what had the focus is still there, and else it was taken away.
    else queueMicrotask(() => (this.#focused = this.#focused && !rows.contains(target as Node)));
  };
}
