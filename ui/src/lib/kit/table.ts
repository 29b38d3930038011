import type { Snippet } from 'svelte';

export type Column<T> = {
  id: string;
  title: string;
  /** As in a CSS grid: `2fr`, `8rem`; one part if not given. Never by content: rows are laid out apart from each other. */
  width?: string;
  align?: 'start' | 'end';
  /** Ascending; a column without it cannot be sorted by. */
  sort?: (a: T, b: T) => number;
  cell: Snippet<[T]>;
};

export type Sort = { column: string; descending: boolean };

export type Group = { id: string; title: string };

/** What the table shows, line by line. */
export type Line<T> =
  | { kind: 'group'; key: string; group: Group; rows: T[]; folded: boolean }
  | { kind: 'row'; key: string; row: T; grouped: boolean };

/** `rows` in the order of `sort`; equal ones stay as they came. */
export function sorted<T>(rows: T[], columns: Column<T>[], sort: Sort | undefined): T[] {
  const by = columns.find(({ id }) => id === sort?.column)?.sort;
  if (by === undefined) return rows;
  return sort?.descending ? rows.toSorted((a, b) => by(b, a)) : rows.toSorted(by);
}

/** The lines of `rows`: a group stands where its first row would. */
export function lines<T>(
  rows: T[],
  key: (row: T) => string,
  group: ((row: T) => Group | undefined) | undefined,
  folded: ReadonlySet<string>,
): Line<T>[] {
  if (group === undefined) return rows.map((row) => ({ kind: 'row', key: key(row), row, grouped: false }));
  const parts: (T | { group: Group; rows: T[] })[] = [];
  const groups = new Map<string, { group: Group; rows: T[] }>();
  const plain = new Set<T>();
  for (const row of rows) {
    const of = group(row);
    if (of === undefined) {
      parts.push(row);
      plain.add(row);
      continue;
    }
    const known = groups.get(of.id);
    if (known) known.rows.push(row);
    else {
      const made = { group: of, rows: [row] };
      groups.set(of.id, made);
      parts.push(made);
    }
  }
  return parts.flatMap((part): Line<T>[] => {
    if (plain.has(part as T)) return [{ kind: 'row', key: key(part as T), row: part as T, grouped: false }];
    const { group, rows } = part as { group: Group; rows: T[] };
    const isFolded = folded.has(group.id);
    const head: Line<T> = { kind: 'group', key: `group:${group.id}`, group, rows, folded: isFolded };
    if (isFolded) return [head];
    return [head, ...rows.map((row): Line<T> => ({ kind: 'row', key: key(row), row, grouped: true }))];
  });
}

/** The tracks of the grid that each line is laid out in. */
export function tracks<T>(columns: Column<T>[], selectable: boolean, actions: boolean): string {
  const widths = columns.map(({ width = '1fr' }) => (/^[\d.]+fr$/.test(width) ? `minmax(5rem, ${width})` : width));
  return [selectable ? '2.25rem' : '', ...widths, actions ? 'var(--actions, 8.5rem)' : ''].filter(Boolean).join(' ');
}

/**
 * How narrow a line may get, as CSS: below that the table scrolls sideways. Lines are laid out apart from each other, so none may be as wide
 * as what it happens to hold.
 */
export function least<T>(columns: Column<T>[], selectable: boolean, actions: boolean): string {
  const each = tracks(columns, selectable, actions)
    .replace(/minmax\((\S+), \S+\)/g, '$1')
    .split(/ (?![^(]*\))/);
  return `calc(${each.join(' + ')} + ${each.length - 1} * var(--gap))`;
}

/** Comparers for columns. */
export const byText =
  <T>(of: (row: T) => string) =>
  (a: T, b: T): number =>
    collator.compare(of(a), of(b));

export const byNumber =
  <T>(of: (row: T) => number | undefined) =>
  (a: T, b: T): number =>
    (of(a) ?? -Infinity) === (of(b) ?? -Infinity) ? 0 : (of(a) ?? -Infinity) < (of(b) ?? -Infinity) ? -1 : 1;

const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' });
