import { expect, it } from 'vitest';
import { Choice } from './choice';
import { lines } from './table';

const group = (row: string) => (row < 'c' ? { id: 'g', title: 'g' } : undefined);
const all = lines(['a', 'b', 'c', 'd'], String, group, new Set<string>());
const at = (key: string) => all.find((line) => line.key === key)!;
const choice = (...selected: string[]) => new Choice(all, String, new Set(selected));

it('turns one line, and a group as a whole', () => {
  expect([...choice().picked(at('c')).selected]).toEqual(['c']);
  expect([...choice('c', 'd').picked(at('c')).selected]).toEqual(['d']);
  const head = all.find(({ kind }) => kind === 'group')!;
  expect([...choice('a').picked(head).selected].sort()).toEqual(['a', 'b']);
  expect([...choice('a', 'b', 'd').picked(head).selected]).toEqual(['d']);
});

it('chooses all from the one turned last, in both directions', () => {
  expect([...choice('d').picked(at('b'), 'd').selected].sort()).toEqual(['b', 'c', 'd']);
  expect([...choice('a').picked(at('c'), 'a').selected].sort()).toEqual(['a', 'b', 'c']);
  // The one turned last has gone.
  expect(choice('a').picked(at('c'), 'gone')).toEqual({ selected: new Set(['a', 'c']), anchor: 'c' });
});
