import '@testing-library/svelte/vitest';
import { fireEvent, render, screen } from '@testing-library/svelte';
import { flushSync } from 'svelte';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Refused } from '$lib/api/call';
import { Unreachable } from '$lib/backend/backend';
import { act } from './act';
import { dismiss, report, say, STAYS, toasts } from './toasts.svelte';
import Toasts from './Toasts.svelte';

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
  for (const { id } of toasts()) dismiss(id);
});

const shown = () => toasts().map(({ toast }) => toast.text);

it('goes after a while; a failure stays until it is closed', async () => {
  render(Toasts);
  say({ tone: 'good', text: 'Pulled' });
  say({ tone: 'bad', text: 'Broke' });
  flushSync();
  vi.advanceTimersByTime(STAYS + 1);
  flushSync();
  expect(shown()).toEqual(['Broke']);
  await fireEvent.click(screen.getByRole('button', { name: 'Dismiss' }));
  expect(shown()).toEqual([]);
});

it('stays while it is pointed at, and is given its time again after', async () => {
  render(Toasts);
  say({ tone: 'info', text: 'Read me' });
  flushSync();
  await fireEvent.pointerEnter(screen.getByRole('list'));
  vi.advanceTimersByTime(STAYS * 3);
  flushSync();
  expect(shown()).toEqual(['Read me']);
  await fireEvent.pointerLeave(screen.getByRole('list'));
  vi.advanceTimersByTime(STAYS + 1);
  expect(shown()).toEqual([]);
});

it('does what it offers, once', async () => {
  const run = vi.fn();
  render(Toasts);
  say({ tone: 'good', text: 'Removed', action: { label: 'Undo', run } });
  flushSync();
  await fireEvent.click(screen.getByRole('button', { name: 'Undo' }));
  expect(run).toHaveBeenCalledOnce();
  expect(shown()).toEqual([]);
});

it('tells the same once, and never more than five', () => {
  for (let n = 0; n < 3; n += 1) say({ tone: 'info', text: 'Again' });
  expect(shown()).toEqual(['Again']);
  for (let n = 0; n < 7; n += 1) say({ tone: 'info', text: `n${n}` });
  expect(shown()).toEqual(['n2', 'n3', 'n4', 'n5', 'n6']);
});

it.each([
  [new Refused(409, 'name is in use'), 'name is in use'],
  [new Unreachable('no socket'), 'The engine does not answer. Is the machine running?'],
  [new TypeError('x is not a function'), 'x is not a function'],
  ['odd', 'Something unexpected happened.'],
])('reports %s in words', (error, detail) => {
  report(error, 'start web');
  expect(toasts()[0]?.toast).toEqual({ tone: 'bad', text: 'Could not finish: start web', detail });
});

it('says nothing of what was called off', () => {
  report(new DOMException('left', 'AbortError'), 'follow the log');
  expect(toasts()).toEqual([]);
});

it('gives what a job gives, and tells of one that failed', async () => {
  await expect(act('count', () => Promise.resolve(7))).resolves.toBe(7);
  expect(toasts()).toEqual([]);
  await expect(act('count', () => Promise.reject(new Refused(500, 'broken')))).resolves.toBeUndefined();
  expect(toasts()[0]?.toast.detail).toBe('broken');
});
