import { expect, test } from 'vitest';
import { Filters } from '../core/filters';
import { BuildCache } from './cache';

const HOUR = 3_600_000;
const NOW = 100 * HOUR;

function pruned(filters: Record<string, string[]>, room = 0): string[] {
  const cache = new BuildCache();
  cache.all = [
    { id: 'new', kind: 'exec.cachemount', size: 10, used: NOW - HOUR },
    { id: 'held', kind: 'exec.cachemount', size: 10, used: NOW - 9 * HOUR, inUse: true },
    { id: 'old', kind: 'source.local', size: 10, used: NOW - 5 * HOUR },
  ];
  return cache.prune(Filters.parse(JSON.stringify(filters)), room, NOW).map(({ id }) => id);
}

test('what is in use stays, whatever its age', () => {
  expect(pruned({})).toEqual(['old', 'new']);
});

test('only what was not used for so long goes', () => {
  expect(pruned({ until: ['3h'] })).toEqual(['old']);
  expect(pruned({ 'unused-for': ['24h'] })).toEqual([]);
});

test('no more goes than is too much', () => {
  expect(pruned({}, 25)).toEqual(['old']);
  expect(pruned({}, 30)).toEqual([]);
});
