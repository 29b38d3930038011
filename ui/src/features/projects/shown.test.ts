import { expect, it } from 'vitest';
import type { Entry } from '$features/container/logs/records';
import { ShownLog } from './shown.svelte';

const entry = (source: string, text: string): Entry => ({ source, text, stream: 'stdout', time: '', cut: 0 });
const texts = (log: ShownLog) => [...log.buffer.lines()].map((line) => line.text).join('');

it('shows the sources that are asked for, of what was and of what comes', () => {
  const log = new ShownLog();
  log.push([entry('web', 'a'), entry('db', 'b'), entry('web', 'c')]);
  expect(texts(log)).toBe('abc');
  log.hide(new Set(['web']));
  expect(texts(log)).toBe('b');
  log.push([entry('web', 'd'), entry('db', 'e')]);
  expect(texts(log)).toBe('be');
  log.hide(new Set(['db']));
  expect(texts(log)).toBe('acd');
  log.hide(new Set());
  expect(texts(log)).toBe('abcde');
});

it('numbers the lines of each view by themselves', () => {
  const log = new ShownLog();
  log.push([entry('web', 'a'), entry('db', 'b')]);
  log.hide(new Set(['web']));
  expect([...log.buffer.lines()].map((line) => line.id)).toEqual([0]);
  log.hide(new Set());
  expect([...log.buffer.lines()].map((line) => line.id)).toEqual([0, 1]);
});

it('keeps what was cleared away, whatever is shown next', () => {
  const log = new ShownLog();
  log.push([entry('web', 'a'), entry('db', 'b')]);
  log.hide(new Set(['web']));
  log.buffer.clear();
  log.push([entry('web', 'c'), entry('db', 'd')]);
  log.hide(new Set());
  expect(texts(log)).toBe('cd');
});
