import { describe, expect, it } from 'vitest';
import { branches, childId, copied, flat, matches, pathOf } from './tree';

const VALUE = { Id: 'f00', Config: { Env: ['A=1', 'B=2'], Tty: false }, Labels: { 'a/b."c"': null }, None: {} };

describe('flat', () => {
  it('shows what is below unfolded branches only', () => {
    expect(flat(VALUE, new Set()).map(({ name }) => name)).toEqual([undefined]);
    expect(flat(VALUE, new Set([''])).map(({ name, depth }) => [name, depth])).toEqual([
      [undefined, 0],
      ['Id', 1],
      ['Config', 1],
      ['Labels', 1],
      ['None', 1],
    ]);
  });

  it('takes an empty object for a leaf', () => {
    expect(flat(VALUE, new Set([''])).at(-1)).toMatchObject({ name: 'None', branch: false });
  });

  it('gives every line an identity of its own', () => {
    const ids = flat({ a: { '0': 1 }, 'a/"0"': 2, list: [1] }, branches({ a: { '0': 1 }, 'a/"0"': 2, list: [1] })).map(
      ({ id }) => id,
    );
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('holds ten thousand lines', () => {
    const many = Array.from({ length: 10_000 }, (_, at) => at);
    expect(flat(many, new Set([''])).length).toBe(10_001);
  });
});

describe('matches', () => {
  it('finds keys and values, whatever their case, with what is above them', () => {
    expect(matches(VALUE, 'b=2')).toEqual([{ id: '/"Config"/"Env"/1', above: ['', '/"Config"', '/"Config"/"Env"'] }]);
    expect(matches(VALUE, 'TTY').map(({ id }) => id)).toEqual(['/"Config"/"Tty"']);
    expect(matches(VALUE, '')).toEqual([]);
    expect(matches(VALUE, 'nowhere')).toEqual([]);
  });
});

describe('pathOf', () => {
  it.each([
    ['', '.'],
    [childId(childId(childId('', 'Config'), 'Env'), 1), '.Config.Env[1]'],
    [childId(childId('', 'Labels'), 'a/b."c"'), '.Labels["a/b.\\"c\\""]'],
    [childId('', 0), '.[0]'],
    [childId('', '8080/tcp'), '.["8080/tcp"]'],
  ])('of %s is %s', (id, path) => expect(pathOf(id)).toBe(path));
});

it('copies a text as it is and all else as JSON', () => {
  expect(copied('a\nb')).toBe('a\nb');
  expect(copied({ a: 1 })).toBe('{\n  "a": 1\n}');
});
