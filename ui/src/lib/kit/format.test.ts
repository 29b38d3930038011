import { afterEach, describe, expect, it } from 'vitest';
import { setLocale } from '$lib/i18n/index.svelte';
import { absolute, bytes, count, duration, moment, percent, relative, room } from './format';

afterEach(() => setLocale('en'));

const NOW = Date.parse('2026-05-04T12:00:00Z');
const ago = (ms: number) => relative(NOW - ms, NOW);

describe('bytes', () => {
  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1 kB'],
    [1500, '1.5 kB'],
    [1_234_567, '1.23 MB'],
    [45_600_000, '45.6 MB'],
    [999_499_999, '999 MB'],
    [999_999_999, '1 GB'],
    [1_500_000_000, '1.5 GB'],
    [2e15, '2 PB'],
    [-1500, '-1.5 kB'],
    [Number.NaN, '–'],
  ])('%d is %s', (n, text) => expect(bytes(n)).toBe(text));
});

describe('room', () => {
  it.each([
    [0, '0 B'],
    [1023, '1,023 B'],
    [1024, '1 KiB'],
    [5 * 2 ** 20, '5 MiB'],
    [1023.4 * 2 ** 20, '1,023 MiB'],
    [1023.9 * 2 ** 20, '1 GiB'],
    [8 * 2 ** 30, '8 GiB'],
    [1.25 * 2 ** 40, '1.25 TiB'],
    [Number.NaN, '–'],
  ])('%d is %s', (n, text) => expect(room(n)).toBe(text));
});

describe('percent', () => {
  it.each([
    [0, '0%'],
    [0.125, '12.5%'],
    [1, '100%'],
    [2.347, '235%'],
    [Number.NaN, '–'],
  ])('%d is %s', (n, text) => expect(percent(n)).toBe(text));
});

describe('duration', () => {
  it.each([
    [0, '0ms'],
    [350, '350ms'],
    [2340, '2.3s'],
    [59_999, '59s'],
    [60_000, '1m'],
    [3_600_000, '1h'],
    [2 * 3_600_000 + 5 * 60_000, '2h 5m'],
    [26 * 3_600_000, '1d 2h'],
    [-5, '0ms'],
  ])('%d is %s', (ms, text) => expect(duration(ms)).toBe(text));

  it('follows the language', () => {
    setLocale('zh-CN');
    expect(duration(2 * 3_600_000 + 5 * 60_000)).toBe('2 小时 5 分钟');
  });
});

describe('relative', () => {
  it.each([
    [0, 'just now'],
    [4999, 'just now'],
    [5000, '5 seconds ago'],
    [59_999, '59 seconds ago'],
    [61_000, '1 minute ago'],
    [3 * 3_600_000, '3 hours ago'],
    [3 * 86_400_000, '3 days ago'],
    [15 * 86_400_000, '2 weeks ago'],
    [400 * 86_400_000, '1 year ago'],
  ])('%d ms before is %s', (ms, text) => expect(ago(ms)).toBe(text));

  it('takes a clock that runs a little ahead for now', () => {
    expect(ago(-59_000)).toBe('just now');
    expect(ago(-120_000)).toBe('in 2 minutes');
  });

  it('follows the language', () => {
    setLocale('zh-CN');
    expect(ago(3 * 3_600_000)).toBe('3 小时前');
    expect(ago(0)).toBe('刚刚');
  });

  it('says nothing of what has no date', () => {
    expect(relative('0001-01-01T00:00:00Z', NOW)).toBe('–');
    expect(relative('not a date', NOW)).toBe('–');
    expect(absolute('not a date')).toBe('–');
    expect(moment('0001-01-01T00:00:00Z')).toBeUndefined();
  });
});

it('counts in groups', () => {
  expect(count(1_234_567)).toBe('1,234,567');
});
