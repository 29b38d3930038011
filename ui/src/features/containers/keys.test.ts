import { describe, expect, it } from 'vitest';
import { fits, meant, verbOf } from './keys';
import { isName } from './name';
import { row } from './rows';
import { aRow, member } from './sample';

const running = aRow('web');
const ended = aRow('old', { State: 'exited', Status: 'Exited (0) 1 hour ago' });
const shop = row(member('shop', 'db'));

describe('keys', () => {
  it.each([
    ['s', [running], 'stop'],
    ['s', [ended], 'start'],
    ['s', [running, ended], 'stop'],
    ['r', [ended], 'restart'],
    ['Delete', [ended], 'remove'],
    ['Backspace', [ended], 'remove'],
    ['x', [ended], undefined],
    ['S', [ended], undefined],
  ])('%s', (key, rows, verb) => expect(verbOf(key, rows)).toBe(verb));

  it('mean the row with the focus, all that are chosen with it, or a project', () => {
    const rows = [running, ended, shop];
    expect(meant(ended.id, rows, new Set())).toEqual([ended]);
    expect(meant(ended.id, rows, new Set([ended.id, shop.id]))).toEqual([ended, shop]);
    expect(meant(running.id, rows, new Set([ended.id, shop.id]))).toEqual([running]);
    expect(meant('group:shop', rows, new Set([ended.id]))).toEqual([shop]);
  });

  it('do nothing where the engine would refuse', () => {
    expect(fits('pause', [ended])).toBe(false);
    expect(fits('pause', [ended, running])).toBe(true);
    expect(fits('stop', [])).toBe(false);
  });
});

it.each([
  ['web', true],
  ['web-1.a_b', true],
  ['1w', true],
  ['w', false],
  ['', false],
  ['-web', false],
  ['we b', false],
  ['wéb', false],
  ['a/b', false],
])('takes “%s” as a name: %s', (text, expected) => expect(isName(text)).toBe(expected));
