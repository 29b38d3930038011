import { cleanup, render, screen } from '@testing-library/svelte';
import { flushSync } from 'svelte';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import Time from './Time.svelte';

const NOW = Date.parse('2026-03-04T05:06:07Z');
beforeEach(() => void vi.useFakeTimers({ now: NOW }));
afterEach(() => {
  cleanup();
  vi.useRealTimers();
});

function pass(milliseconds: number): void {
  vi.advanceTimersByTime(milliseconds);
  flushSync();
}

test('a young thing grows older each second, an old one in minutes', () => {
  render(Time, { at: NOW - 2000 });
  expect(screen.getByText('just now')).toBeTruthy();
  pass(60_000);
  expect(screen.getByText('1 minute ago')).toBeTruthy();
  pass(60_000);
  expect(screen.getByText('2 minutes ago')).toBeTruthy();
});

test('nothing is looked at each second for a list of old things', () => {
  for (let at = 0; at < 20; at += 1) render(Time, { at: NOW - 3_600_000 });
  expect(vi.getTimerCount()).toBe(1);
  const format = vi.spyOn(Intl.RelativeTimeFormat.prototype, 'format');
  pass(9_000);
  expect(format).not.toHaveBeenCalled();
  format.mockRestore();
});
