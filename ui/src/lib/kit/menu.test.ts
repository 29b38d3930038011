import { describe, expect, it } from 'vitest';
import { beside, typedAhead } from './menu';

const SCREEN = { width: 1000, height: 600 };
const SIZE = { width: 200, height: 150 };
const anchor = (left: number, top: number) => ({ left, top, right: left + 30, bottom: top + 30 });

describe('a menu stands', () => {
  it('below its button, flush right', () => {
    expect(beside(anchor(500, 100), SIZE, SCREEN)).toEqual({ left: 330, top: 134 });
  });

  it('over it at the foot of the window', () => {
    expect(beside(anchor(500, 550), SIZE, SCREEN)).toEqual({ left: 330, top: 396 });
  });

  it('flush left at the left edge', () => {
    expect(beside(anchor(10, 100), SIZE, SCREEN)).toEqual({ left: 10, top: 134 });
  });

  it('within the window, however small that is', () => {
    expect(beside(anchor(10, 40), { width: 500, height: 500 }, { width: 300, height: 200 })).toEqual({
      left: 8,
      top: 8,
    });
  });
});

describe('typing leads', () => {
  const labels = ['Start', 'Stop', 'Remove', undefined, 'Rename'];
  it.each([
    ['r', 0, 2],
    ['r', 3, 4],
    ['ren', 2, 4],
    ['S', 2, 0],
    ['x', 0, -1],
  ])('by %s from %d to %d', (typed, from, to) => expect(typedAhead(labels, typed, from)).toBe(to));
});
