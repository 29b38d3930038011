import { describe, expect, it } from 'vitest';
import { highest, path, ticks } from './plot';

describe('path', () => {
  it('spreads values over the field, upward', () => {
    expect(path([0, 5, 10], 10, 100, 20)).toBe('M0 20L50 10L100 0');
  });

  it('leaves a gap where nothing was measured', () => {
    expect(path([1, Number.NaN, 1, 1], 1, 30, 10)).toBe('M0 0M20 0L30 0');
  });

  it('stays within the field', () => {
    expect(path([-5, 50], 10, 10, 10)).toBe('M0 10L10 0');
  });

  it('is nothing for no values', () => {
    expect(path([], 1, 10, 10)).toBe('');
  });
});

describe('ticks', () => {
  it.each([
    [1, [0, 0.25, 0.5, 0.75, 1]],
    [7, [0, 2, 4, 6, 8]],
    [100, [0, 25, 50, 75, 100]],
    [2.1e6, [0, 1e6, 2e6, 3e6]],
  ])('of %d', (max, steps) => expect(ticks(max)).toEqual(steps));

  it('are round in the unit that they are shown in', () => {
    const mib = 2 ** 20;
    expect(ticks(700 * mib, 4, 1024)).toEqual([0, 200 * mib, 400 * mib, 600 * mib, 800 * mib]);
    expect(ticks(8 * 1024 * mib, 4, 1024)).toEqual([0, 2, 4, 6, 8].map((n) => n * 1024 * mib));
  });

  it('reach what was asked for, whatever its size', () => {
    for (const max of [0, 1e-15, 1e-9, 0.3, 0.7, 3, 9.99, 12345, 8e15]) {
      const steps = ticks(max);
      expect(steps.at(-1), String(max)).toBeGreaterThanOrEqual(max * (1 - 1e-9));
      expect(steps.length, String(max)).toBeLessThan(9);
      expect(steps.every(Number.isFinite), String(max)).toBe(true);
    }
  });
});

it('the highest is that of all, gaps left out', () => {
  expect(
    highest([
      [1, 2],
      [Number.NaN, 3],
    ]),
  ).toBe(3);
  expect(highest([[]])).toBe(0);
});
