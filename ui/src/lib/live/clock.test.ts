import { expect, it } from 'vitest';
import { instant, skew } from './clock';

it('takes no notice of what an answer needs on its way', () => {
  expect(skew(10_000, 9_000, 9_400)).toBe(0);
  // An answer that took ten seconds says little of one second.
  expect(skew(11_000, 0, 10_000)).toBe(0);
});

it('sees a clock that is wrong, either way', () => {
  expect(skew(3_600_000, 0, 200)).toBe(3_599_900);
  expect(skew(0, 60_000, 60_000)).toBe(-60_000);
});

it('reads times with nanoseconds, which not every engine of a browser does', () => {
  expect(instant('2026-11-26T10:00:00.123456789Z')).toBe(Date.UTC(2026, 10, 26, 10, 0, 0, 123));
  expect(instant('2026-11-26T10:00:00Z')).toBe(Date.UTC(2026, 10, 26, 10));
  expect(instant('soon')).toBeUndefined();
  expect(instant(undefined)).toBeUndefined();
});
