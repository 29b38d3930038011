import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Interleaver, merged } from './merge';

const at = (second: number, text: string) => ({
  time: `2026-01-01T00:00:${String(second).padStart(2, '0')}.000000000Z`,
  text,
});
const texts = (entries: { text: string }[]) => entries.map((entry) => entry.text).join('');

describe('merged', () => {
  it('goes by time', () => {
    expect(texts(merged([[at(1, 'a'), at(4, 'd')], [at(2, 'b')], [at(3, 'c'), at(5, 'e')]]))).toBe('abcde');
  });

  it('keeps the order of the lists for what has one time', () => {
    expect(texts(merged([[at(1, 'a'), at(1, 'b')], [at(1, 'c')]]))).toBe('abc');
  });

  it('never turns one list around, even if its clock was set back', () => {
    expect(texts(merged([[at(9, 'a'), at(1, 'b')], [at(5, 'x')]]))).toBe('xab');
  });

  it('is nothing of nothing', () => {
    expect(merged([])).toEqual([]);
    expect(merged([[], []])).toEqual([]);
  });

  it('loses nothing of many', () => {
    const lists = Array.from({ length: 7 }, (_, list) =>
      Array.from({ length: 500 }, (_, n) => at((n * 7 + list) % 60, `${list}`)).sort((one, other) =>
        one.time.localeCompare(other.time),
      ),
    );
    const whole = merged(lists);
    expect(whole).toHaveLength(3500);
    for (const [n, entry] of whole.entries()) if (n > 0) expect(entry.time >= whole[n - 1]!.time).toBe(true);
  });
});

describe('the interleaver', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('puts in order what comes at about the same time', () => {
    const out: string[] = [];
    const interleaver = new Interleaver<ReturnType<typeof at>>((entries) => out.push(texts(entries)), 100);
    interleaver.push('web', [at(2, 'b')]);
    interleaver.push('db', [at(1, 'a'), at(3, 'c')]);
    interleaver.push('web', [at(4, 'd')]);
    interleaver.push('quiet', []);
    expect(out).toEqual([]);
    vi.advanceTimersByTime(100);
    expect(out).toEqual(['abcd']);
    interleaver.push('web', [at(5, 'e')]);
    vi.advanceTimersByTime(100);
    expect(out).toEqual(['abcd', 'e']);
  });

  it('hands on nothing after it was dropped', () => {
    const out: string[] = [];
    const interleaver = new Interleaver<ReturnType<typeof at>>((entries) => out.push(texts(entries)), 100);
    interleaver.push('web', [at(1, 'a')]);
    interleaver.drop();
    vi.advanceTimersByTime(1000);
    expect(out).toEqual([]);
  });
});
