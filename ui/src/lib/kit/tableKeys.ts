import { lineFor } from './lines';
import type { Line } from './table';

/** What a key does on a line that has the focus. */
export type Deed =
  | { is: 'move'; to: number; choosing: boolean }
  | { is: 'fold'; to: boolean }
  | { is: 'open' }
  | { is: 'pick'; range: boolean }
  /** To the controls within the row. */
  | { is: 'enter' }
  | { is: 'all' }
  | { is: 'none' };

type Key = Pick<KeyboardEvent, 'key' | 'shiftKey' | 'ctrlKey' | 'metaKey'>;

type Table<T> = {
  lines: readonly Line<T>[];
  /** Lines in a frame. */
  page: number;
  /** How many are chosen; undefined where nothing can be. */
  chosen: number | undefined;
};

/** Undefined for a key that is none of the table's. */
export function deed<T>(
  { key, shiftKey, ctrlKey, metaKey }: Key,
  at: number,
  { lines, page, chosen }: Table<T>,
): Deed | undefined {
  const line = lines[at];
  if (line === undefined) return undefined;
  const to = lineFor(key, at, { page, count: lines.length });
  if (to !== undefined)
    return { is: 'move', to, choosing: shiftKey && chosen !== undefined && lines[to] !== undefined };
  const group = line.kind === 'group';
  switch (key) {
    case 'Enter':
      return group ? { is: 'fold', to: !line.folded } : { is: 'open' };
    case ' ':
      if (chosen !== undefined) return { is: 'pick', range: shiftKey };
      return group ? { is: 'fold', to: !line.folded } : undefined;
    case 'ArrowRight':
      return group && line.folded ? { is: 'fold', to: false } : { is: 'enter' };
    case 'ArrowLeft': {
      if (group) return { is: 'fold', to: true };
      const head = line.grouped ? lines.findLastIndex((other, place) => place < at && other.kind === 'group') : -1;
      return head < 0 ? undefined : { is: 'move', to: head, choosing: false };
    }
    case 'a':
      return (ctrlKey || metaKey) && chosen !== undefined ? { is: 'all' } : undefined;
    case 'Escape':
      return (chosen ?? 0) > 0 ? { is: 'none' } : undefined;
    default:
      return undefined;
  }
}

const CONTROLS = 'a[href], button:not(:disabled), input:not(:disabled), select:not(:disabled)';

export function controlsOf(row: HTMLElement): HTMLElement[] {
  return Array.from(row.querySelectorAll<HTMLElement>(CONTROLS));
}

/**
 * Where a key leads whose target is within a row: the arrows go through its controls and to the rows around it, Esc back to it. Undefined
 * for what is the control's own.
 */
export function withinRow({ key, target }: KeyboardEvent, row: HTMLElement): HTMLElement | -1 | 1 | undefined {
  const text = target instanceof HTMLInputElement && target.type !== 'checkbox';
  if (text || target instanceof HTMLSelectElement) return undefined;
  const controls = controlsOf(row);
  const now = controls.indexOf(target as HTMLElement);
  switch (key) {
    case 'ArrowRight':
      return controls[now + 1] ?? controls[now] ?? row;
    case 'ArrowLeft':
      return controls[now - 1] ?? row;
    case 'ArrowDown':
      return 1;
    case 'ArrowUp':
      return -1;
    case 'Escape':
      return row;
    default:
      return undefined;
  }
}
