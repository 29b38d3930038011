import { describe, expect, it } from 'vitest';
import { copyName, nameFault, whole } from './names';

describe('the names of machines', () => {
  it('are those that the program takes', () => {
    for (const good of ['a', 'work', 'work-2', 'x'.repeat(24)]) expect(nameFault(good, []), good).toBeUndefined();
    for (const bad of ['Work', '2x', 'a_b', 'a/b', '..', '-a', 'a-', 'ä'])
      expect(nameFault(bad, []), bad).toBe('characters');
    expect(nameFault('', [])).toBe('empty');
    expect(nameFault('x'.repeat(25), [])).toBe('long');
    expect(nameFault('work', ['default', 'work'])).toBe('taken');
  });

  it('of copies are free and not too long', () => {
    expect(copyName('work', [])).toBe('work-copy');
    expect(copyName('work', ['work-copy', 'work-copy-2'])).toBe('work-copy-3');
    expect(nameFault(copyName('x'.repeat(24), []), [])).toBeUndefined();
  });
});

describe('sizes', () => {
  it('are whole numbers or nothing', () => {
    expect([whole(''), whole(' 4 '), whole('2048')]).toEqual([undefined, 4, 2048]);
    for (const bad of ['0', '-1', '1.5', '4 GiB', '1e3', '9999999999']) expect(whole(bad), bad).toBeNaN();
  });
});
