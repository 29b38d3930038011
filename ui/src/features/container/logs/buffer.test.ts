import { describe, expect, it, vi } from 'vitest';
import { LogBuffer } from './buffer';
import { cells, SHOWN, shownLength, stretches } from './pieces';
import { Rows } from './rows';
import { Finder, matcher, type Matcher } from './search';

const entry = (text: string) => ({ stream: 'stdout' as const, time: '', text, cut: 0 });
const texts = (buffer: LogBuffer) => [...buffer.lines()].map((line) => line.text);

describe('LogBuffer', () => {
  it('keeps the newest lines and says how many went', () => {
    const buffer = new LogBuffer({ lines: 3 });
    buffer.push(['a', 'b', 'c', 'd', 'e'].map(entry));
    expect(texts(buffer)).toEqual(['c', 'd', 'e']);
    expect([buffer.first, buffer.end, buffer.dropped]).toEqual([2, 5, 2]);
    expect(buffer.at(1)).toBeUndefined();
    expect(buffer.at(4)!.text).toBe('e');
  });

  it('keeps within a bound of characters, but always the newest line', () => {
    const buffer = new LogBuffer({ lines: 10, characters: 10 });
    buffer.push(['aaaa', 'bbbb', 'cccc'].map(entry));
    expect(texts(buffer)).toEqual(['bbbb', 'cccc']);
    buffer.push([entry('d'.repeat(50))]);
    expect(texts(buffer)).toEqual(['d'.repeat(50)]);
    buffer.push([entry('e')]);
    expect(texts(buffer)).toEqual(['e']);
  });

  it('clears without counting as dropped, and goes on counting ids', () => {
    const buffer = new LogBuffer({ lines: 3 });
    const heard = vi.fn();
    const stop = buffer.listen(heard);
    buffer.push(['a', 'b'].map(entry));
    buffer.clear();
    stop();
    buffer.push([entry('c')]);
    expect([buffer.first, buffer.end, buffer.dropped, buffer.length]).toEqual([2, 3, 0, 1]);
    expect(heard).toHaveBeenCalledTimes(2);
  });
});

describe('Rows', () => {
  it('says the same as adding up would', () => {
    const rows = new Rows(1000);
    rows.restart(70);
    const heights = new Map<number, number>();
    let random = 1;
    const next = (below: number) => (random = (random * 48271) % 2147483647) % below;
    for (let id = 70; id < 3000; id++) {
      const height = 1 + next(5);
      rows.append(height);
      heights.set(id, height);
      if (id - rows.first >= 1000) rows.dropTo(id - 999);
      if (id % 10 === 0) {
        const changed = rows.first + next(rows.end - rows.first);
        rows.set(changed, 7);
        heights.set(changed, 7);
      }
    }
    let above = 0;
    for (let id = rows.first; id < rows.end; id++) {
      expect(rows.above(id)).toBe(above);
      expect(rows.lineAt(above)).toBe(id);
      expect(rows.lineAt(above + heights.get(id)! - 1)).toBe(id);
      above += heights.get(id)!;
    }
    expect(rows.total).toBe(above);
    expect(rows.lineAt(above + 100)).toBe(rows.end - 1);
  });
});

describe('search', () => {
  const find = (text: string, more = {}) => matcher({ text, expression: false, exact: false, ...more }) as Matcher;

  it('finds text as it stands, whatever signs it has', () => {
    expect(find('a.b[').ranges('xA.B[ a.b[')).toEqual([
      [1, 5],
      [6, 10],
    ]);
    expect(find('A', { exact: true }).test('a')).toBe(false);
  });

  it('finds expressions, and says what is wrong with one', () => {
    expect(find('\\d+', { expression: true }).ranges('a1b22')).toEqual([
      [1, 2],
      [3, 5],
    ]);
    expect(find('x*', { expression: true }).test('aaa')).toBe(false);
    expect(find('x*', { expression: true }).test('aax')).toBe(true);
    expect(matcher({ text: '(', expression: true, exact: false })).toHaveProperty('error');
    expect(matcher({ text: '', expression: true, exact: false })).toBeUndefined();
  });

  it('goes from match to match, round the ends, while lines come and go', () => {
    const buffer = new LogBuffer({ lines: 6 });
    buffer.push(['hit 0', 'no', 'hit 2', 'no'].map(entry));
    const finder = new Finder(buffer, find('hit'));
    expect(finder.look(() => false)).toBe(true);
    expect([finder.count, finder.from(0, 'next'), finder.from(2, 'next'), finder.from(0, 'previous')]).toEqual([
      2, 2, 0, 2,
    ]);
    buffer.push(['hit 4', 'no', 'no'].map(entry));
    finder.look(() => false);
    expect([finder.count, finder.ordinal(2), finder.ordinal(3), finder.from(0, 'previous')]).toEqual([2, 1, 0, 4]);
  });
});

describe('stretches', () => {
  it('cuts where style or hit changes', () =>
    expect(stretches('abcdef', 5, [{ start: 1, end: 4, style: { fg: 1 } }], [[3, 6]])).toEqual([
      { text: 'a', style: {}, hit: false },
      { text: 'bc', style: { fg: 1 }, hit: false },
      { text: 'd', style: { fg: 1 }, hit: true },
      { text: 'e', style: {}, hit: true },
    ]));

  it('shows a part of a long line, never half a character', () => {
    expect(shownLength('a'.repeat(SHOWN + 10))).toBe(SHOWN);
    expect(shownLength('a'.repeat(SHOWN - 1) + '🚢🚢')).toBe(SHOWN - 1);
  });

  it('counts cells', () => {
    expect(cells('abc')).toEqual({ count: 3, exact: true });
    expect(cells('港口')).toEqual({ count: 4, exact: false });
    expect(cells('🚢a')).toEqual({ count: 3, exact: false });
    expect(cells('a\tb').count).toBeGreaterThanOrEqual(9);
  });
});
