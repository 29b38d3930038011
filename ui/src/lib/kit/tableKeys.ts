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
