import { describe, expect, it } from 'vitest';
import { byNumber, byText, least, lines, sorted, tracks, type Column } from './table';

type Row = { name: string; size?: number; project?: string };
const rows: Row[] = [
  { name: 'web-10', size: 3, project: 'shop' },
  { name: 'web-2', size: 1 },
  { name: 'Api', project: 'shop' },
  { name: 'db', size: 2, project: 'log' },
];
const cell = undefined as unknown as Column<Row>['cell'];
const columns: Column<Row>[] = [
  { id: 'name', title: 'Name', width: '2fr', sort: byText((row) => row.name), cell },
  { id: 'size', title: 'Size', width: '6rem', sort: byNumber((row) => row.size), cell },
  { id: 'more', title: 'More', cell },
];
const key = (row: Row) => row.name;
const group = ({ project }: Row) => (project === undefined ? undefined : { id: project, title: project.toUpperCase() });

describe('sorted', () => {
  const names = (column: string, descending = false) => sorted(rows, columns, { column, descending }).map(key);

  it('reads numbers in names, and no case', () => {
    expect(names('name')).toEqual(['Api', 'db', 'web-2', 'web-10']);
    expect(names('name', true)).toEqual(['web-10', 'web-2', 'db', 'Api']);
  });

  it('puts what has no number before what has', () => {
    expect(names('size')).toEqual(['Api', 'web-2', 'db', 'web-10']);
  });

  it('leaves the order by a column that has none', () => {
    expect(names('more')).toEqual(rows.map(key));
    expect(sorted(rows, columns, undefined)).toEqual(rows);
  });

  it('keeps equals as they came, both ways', () => {
    const equal: Row[] = [{ name: 'a' }, { name: 'b' }];
    expect(sorted(equal, columns, { column: 'size', descending: true }).map(key)).toEqual(['a', 'b']);
  });
});

describe('lines', () => {
  it('puts a group where its first row is, with all its rows', () => {
    expect(lines(rows, key, group, new Set()).map((line) => line.key)).toEqual([
      'group:shop',
      'web-10',
      'Api',
      'web-2',
      'group:log',
      'db',
    ]);
  });

  it('hides the rows of a folded group, which still knows them', () => {
    const [head, next] = lines(rows, key, group, new Set(['shop']));
    expect(head).toMatchObject({ kind: 'group', folded: true, rows: [rows[0], rows[2]] });
    expect(next?.key).toBe('web-2');
  });

  it('are the rows where nothing is grouped', () => {
    expect(lines(rows, key, undefined, new Set()).map((line) => line.key)).toEqual(rows.map(key));
  });
});

it('lays columns out by shares and measures, never by what they hold', () => {
  expect(tracks(columns, true, true)).toBe('2.25rem minmax(5rem, 2fr) 6rem minmax(5rem, 1fr) var(--actions, 8.5rem)');
  expect(tracks(columns, false, false)).toBe('minmax(5rem, 2fr) 6rem minmax(5rem, 1fr)');
});

it('lets a line be as narrow as its tracks, whatever they hold', () => {
  expect(least(columns, true, true)).toBe(
    'calc(2.25rem + 5rem + 6rem + 5rem + var(--actions, 8.5rem) + 4 * var(--gap))',
  );
});
