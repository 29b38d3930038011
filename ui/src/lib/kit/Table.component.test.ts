import '@testing-library/svelte/vitest';
import { fireEvent, render, screen, within } from '@testing-library/svelte';
import { createRawSnippet, tick, type ComponentProps } from 'svelte';
import { expect, it, vi } from 'vitest';
import { byText, type Column } from './table';
import Table from './Table.svelte';
import TableWithSelection from './testing/TableWithSelection.svelte';

type Row = { id: string; project?: string };
type Props = ComponentProps<typeof Table<Row>>;

const text = createRawSnippet<[Row]>((row) => ({
  render: () => `<span></span>`,
  setup: (node) => {
    node.textContent = row().id;
  },
}));
const press = createRawSnippet<[Row]>((row) => ({ render: () => `<button>Stop ${row().id}</button>` }));
const columns: Column<Row>[] = [{ id: 'name', title: 'Name', sort: byText((row) => row.id), cell: text }];
const many = (n: number): Row[] => Array.from({ length: n }, (_, at) => ({ id: `row-${at}` }));

function show(props: Partial<Props> = {}) {
  render(Table<Row>, { rows: many(5), key: (row: Row) => row.id, columns, label: 'Rows', ...props });
}

/** The same with boxes to choose by; `chosen` gives the keys of the chosen rows. */
function showChoosing(props: Partial<Omit<Props, 'selected'>> = {}) {
  let selected: string[] = [];
  render(TableWithSelection<Row>, {
    rows: many(5),
    key: (row: Row) => row.id,
    columns,
    label: 'Rows',
    onselected: (keys: string[]) => (selected = keys),
    ...props,
  });
  return { chosen: () => selected };
}

const row = (key: string) => document.querySelector<HTMLElement>(`[data-key="${key}"]`)!;
const keys = () => [...document.querySelectorAll<HTMLElement>('[data-key]')].map((one) => one.dataset.key);

it('draws a screenful of ten thousand rows, and says how many there are', () => {
  show({ rows: many(10_000) });
  expect(keys().length).toBeLessThan(60);
  expect(keys().length).toBeGreaterThan(10);
  expect(screen.getByRole('grid', { name: 'Rows' }).getAttribute('aria-rowcount')).toBe('10001');
  expect(row('row-3').getAttribute('aria-rowindex')).toBe('5');
});

it('is one stop for Tab: its row with the focus, and what that holds', async () => {
  show({ actions: press });
  expect([...document.querySelectorAll('[role=row][tabindex="0"]')]).toEqual([row('row-0')]);
  const button = (key: string) => within(row(key)).getByRole('button');
  expect(button('row-1').tabIndex).toBe(-1);
  row('row-1').focus();
  await tick();
  expect(button('row-1').tabIndex).toBe(0);
  await fireEvent.keyDown(row('row-1'), { key: 'ArrowRight' });
  expect(document.activeElement).toBe(button('row-1'));
  await fireEvent.keyDown(button('row-1'), { key: 'ArrowLeft' });
  expect(document.activeElement).toBe(row('row-1'));
});

it('moves by arrows, and to rows that were not drawn', async () => {
  show({ rows: many(1000) });
  row('row-0').focus();
  await fireEvent.keyDown(row('row-0'), { key: 'ArrowDown' });
  await vi.waitFor(() => expect(document.activeElement).toBe(row('row-1')));
  await fireEvent.keyDown(row('row-1'), { key: 'End' });
  await vi.waitFor(() => expect(document.activeElement).toBe(row('row-999')));
  await fireEvent.keyDown(row('row-999'), { key: 'Home' });
  await vi.waitFor(() => expect(document.activeElement).toBe(row('row-0')));
});

it('gives the focus of a row that goes to the one that comes to stand there', async () => {
  const { rerender } = render(Table<Row>, { rows: many(5), key: (one: Row) => one.id, columns, label: 'Rows' });
  row('row-1').focus();
  await rerender({ rows: many(5).filter(({ id }) => id !== 'row-1') });
  expect(document.activeElement).toBe(row('row-2'));
  row('row-2').blur();
  await tick();
  await rerender({ rows: many(5).filter(({ id }) => id !== 'row-2') });
  expect(document.activeElement).toBe(document.body);
});

it('opens by Enter and by a press, not by a press on a control', async () => {
  const onopen = vi.fn();
  show({ onopen, actions: press });
  await fireEvent.keyDown(row('row-1'), { key: 'Enter' });
  await fireEvent.click(row('row-2'));
  await fireEvent.click(within(row('row-3')).getByRole('button'));
  expect(onopen.mock.calls.map(([one]) => (one as Row).id)).toEqual(['row-1', 'row-2']);
});

it('chooses by Space, by its boxes, and with Shift all between', async () => {
  const { chosen } = showChoosing();
  await fireEvent.keyDown(row('row-1'), { key: ' ' });
  expect(chosen()).toEqual(['row-1']);
  expect(row('row-1').getAttribute('aria-selected')).toBe('true');
  await fireEvent.click(within(row('row-3')).getByRole('checkbox'), { shiftKey: true });
  expect(chosen()).toEqual(['row-1', 'row-2', 'row-3']);
  await fireEvent.click(within(row('row-2')).getByRole('checkbox'));
  expect(chosen()).toEqual(['row-1', 'row-3']);
  const all = screen.getByRole('checkbox', { name: 'Select all' });
  expect(all.getAttribute('aria-checked')).toBe('mixed');
  await fireEvent.click(all);
  expect(chosen()).toHaveLength(5);
  await fireEvent.keyDown(row('row-1'), { key: 'Escape' });
  expect(chosen()).toEqual([]);
});

it('chooses all by Ctrl-A, also those that are not drawn', async () => {
  const { chosen } = showChoosing({ rows: many(1000) });
  await fireEvent.keyDown(row('row-0'), { key: 'a', ctrlKey: true });
  expect(chosen()).toHaveLength(1000);
});

it('sorts by a press on a heading, and the other way by the next', async () => {
  show({ rows: many(3) });
  const heading = screen.getByRole('columnheader', { name: 'Name' });
  expect(heading.getAttribute('aria-sort')).toBe('none');
  await fireEvent.click(within(heading).getByRole('button'));
  expect(heading.getAttribute('aria-sort')).toBe('ascending');
  await fireEvent.click(within(heading).getByRole('button'));
  expect(heading.getAttribute('aria-sort')).toBe('descending');
  expect(
    [...document.querySelectorAll<HTMLElement>('[data-at]')].sort((a, b) => +a.dataset.at! - +b.dataset.at!)[0]?.dataset
      .key,
  ).toBe('row-2');
});

it('folds groups by keyboard, and chooses a group whole', async () => {
  const { chosen } = showChoosing({
    rows: [{ id: 'a', project: 'shop' }, { id: 'b' }, { id: 'c', project: 'shop' }],
    group: ({ project }) => (project === undefined ? undefined : { id: project, title: project }),
  });
  const head = row('group:shop');
  expect(screen.getByRole('treegrid')).toBeTruthy();
  expect(head.getAttribute('aria-expanded')).toBe('true');
  await fireEvent.keyDown(head, { key: ' ' });
  expect(chosen()).toEqual(['a', 'c']);
  await fireEvent.keyDown(head, { key: 'ArrowLeft' });
  expect(head.getAttribute('aria-expanded')).toBe('false');
  expect(keys()).toEqual(['group:shop', 'b']);
  await fireEvent.keyDown(head, { key: 'ArrowRight' });
  expect(keys()).toEqual(['group:shop', 'a', 'c', 'b']);
});

it('shows a name that looks like markup as the text that it is', () => {
  showChoosing({ rows: [{ id: '<img src=x onerror=alert(1)>' }], name: (one) => one.id });
  expect(document.querySelector('img')).toBeNull();
  expect(screen.getByText('<img src=x onerror=alert(1)>')).toBeTruthy();
});

it('says what there is to say of nothing', () => {
  show({ rows: [], empty: createRawSnippet(() => ({ render: () => '<p>Nothing yet</p>' })) });
  expect(screen.getByText('Nothing yet')).toBeTruthy();
  expect(screen.queryByRole('grid')).toBeNull();
});
