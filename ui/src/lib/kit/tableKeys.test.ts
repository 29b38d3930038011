import { expect, it } from 'vitest';
import { lines } from './table';
import { deed, type Deed } from './tableKeys';

const group = (row: string) => (row < 'c' ? { id: 'g', title: 'g' } : undefined);
const open = lines(['a', 'b', 'c'], String, group, new Set<string>());
const shut = lines(['a', 'b', 'c'], String, group, new Set(['g']));
const at = (key: string) => open.findIndex((line) => line.key === key);
const head = open.findIndex(({ kind }) => kind === 'group');
const key = (key: string, more = {}) => ({ key, shiftKey: false, ctrlKey: false, metaKey: false, ...more });

const on = (event: ReturnType<typeof key>, line: number, chosen?: number, of = open): Deed | undefined =>
  deed(event, line, { lines: of, page: 2, chosen });

it('moves, and chooses on the way with Shift where something can be chosen', () => {
  expect(on(key('ArrowDown'), at('a'))).toEqual({ is: 'move', to: at('b'), choosing: false });
  expect(on(key('ArrowDown', { shiftKey: true }), at('a'), 0)).toEqual({ is: 'move', to: at('b'), choosing: true });
  expect(on(key('PageUp'), at('b'))).toEqual({ is: 'move', to: at('b') - 2, choosing: false });
  // There is no line to choose beyond the last.
  expect(on(key('ArrowDown', { shiftKey: true }), open.length - 1, 0)).toMatchObject({ choosing: false });
});

it('folds groups and goes back to them', () => {
  expect(on(key('ArrowLeft'), head)).toEqual({ is: 'fold', to: true });
  expect(on(key('ArrowRight'), head, undefined, shut)).toEqual({ is: 'fold', to: false });
  expect(on(key('ArrowRight'), head)).toEqual({ is: 'enter' });
  expect(on(key('Enter'), head)).toEqual({ is: 'fold', to: true });
  expect(on(key('ArrowLeft'), at('b'))).toEqual({ is: 'move', to: head, choosing: false });
  expect(on(key('ArrowLeft'), at('c'))).toBeUndefined();
});

it('opens and chooses, and leaves other keys alone', () => {
  expect(on(key('Enter'), at('a'))).toEqual({ is: 'open' });
  expect(on(key(' '), at('a'), 0)).toEqual({ is: 'pick', range: false });
  expect(on(key(' '), at('a'))).toBeUndefined();
  expect(on(key('a'), at('a'), 0)).toBeUndefined();
  expect(on(key('a', { ctrlKey: true }), at('a'), 0)).toEqual({ is: 'all' });
  expect(on(key('Escape'), at('a'), 0)).toBeUndefined();
  expect(on(key('Escape'), at('a'), 2)).toEqual({ is: 'none' });
});
