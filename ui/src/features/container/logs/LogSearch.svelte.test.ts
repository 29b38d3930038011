import { fireEvent, render, screen } from '@testing-library/svelte';
import { flushSync } from 'svelte';
import { expect, it, vi } from 'vitest';
import LogSearch from './LogSearch.svelte';

it('begins a search anew for another text, not for what its listener looks at', async () => {
  let current = $state(0);
  const seen: number[] = [];
  const onsearch = vi.fn(() => void seen.push(current));
  const onstep = vi.fn();
  render(LogSearch, { found: { count: 2, at: 0, done: true }, onsearch, onstep });
  const field = screen.getByRole('searchbox');
  await fireEvent.input(field, { target: { value: 'x' } });
  const before = onsearch.mock.calls.length;
  await fireEvent.keyDown(field, { key: 'Enter' });
  expect(onstep).toHaveBeenCalledWith('next');
  current = 5;
  flushSync();
  expect(onsearch).toHaveBeenCalledTimes(before);
  expect(seen.at(-1)).toBe(0);
});
