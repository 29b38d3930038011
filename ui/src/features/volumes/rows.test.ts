import { describe, expect, it } from 'vitest';
import type { ContainerSummary, Volume } from '$lib/api/generated';
import { HELPER } from '$lib/live/helpers';
import { createRequest, nameFault, pairFaults } from './create';
import { ANONYMOUS, chosen, prunable, rows, sizesOf, title, together } from './rows';

const volume = (Name: string, Labels: Record<string, string> | null = null, Size?: number): Volume => ({
  Name,
  Labels,
  Driver: 'local',
  Mountpoint: '',
  Options: null,
  Scope: 'local',
  ...(Size === undefined ? {} : { UsageData: { RefCount: 0, Size } }),
});

const container = (name: string, volumes: string[], labels: Record<string, string> = {}) =>
  ({
    Id: name,
    Names: [`/${name}`],
    State: 'running',
    Labels: labels,
    Mounts: [
      ...volumes.map((Name) => ({ Type: 'volume', Name })),
      { Type: 'bind', Source: '/x' },
      ...volumes.slice(0, 1).map((Name) => ({ Type: 'volume', Name })),
    ],
  }) as unknown as ContainerSummary;

const hash = 'ab'.repeat(32);
const volumes = [
  volume('db', { 'com.docker.compose.project': 'shop' }),
  volume(hash, { [ANONYMOUS]: '' }),
  volume('old'),
];
const sizes = sizesOf([volume('db', null, 100), volume(hash, null, 5), volume('old', null, -1)]);
const all = rows(volumes, [container('pg', ['db']), container('k', ['old'], { [HELPER]: 'files' })], sizes);

describe('the list of volumes', () => {
  it('says who uses one, each once, and not who only reads it', () => {
    expect(all.map((row) => row.users.map((user) => user.name))).toEqual([['pg'], [], []]);
    expect(all[0]).toMatchObject({ project: 'shop', size: 100, anonymous: false });
    expect(all[2]!.size).toBeUndefined();
  });

  it('shortens names that nobody chose', () => {
    expect(all.map(title)).toEqual(['db', 'abababababab', 'old']);
    expect(title({ name: hash, anonymous: false })).toBe(hash);
  });

  it('is searched by name, label and user', () => {
    const names = (search: string, show: Parameters<typeof chosen>[2] = 'all') => chosen(all, search, show).map(title);
    expect(names('PG')).toEqual(['db']);
    expect(names('project=shop')).toEqual(['db']);
    expect(names('', 'unused')).toEqual(['abababababab', 'old']);
    expect(names('', 'anonymous')).toEqual(['abababababab']);
    expect(names('', 'used')).toEqual(['db']);
  });

  it('knows what a prune takes', () => {
    expect(prunable(all, 'anonymous').map(title)).toEqual(['abababababab']);
    expect(prunable(all, 'unused').map(title)).toEqual(['abababababab', 'old']);
    expect(together(prunable(all, 'anonymous'))).toBe(5);
    expect(together(prunable(all, 'unused'))).toBeUndefined();
  });
});

describe('a new volume', () => {
  it('has a name by the rule of the engine', () => {
    const existing = new Set(['db']);
    expect(['', 'db2', 'a_b.c-d'].map((name) => nameFault(name, existing))).toEqual([undefined, undefined, undefined]);
    expect(['db', 'a', '-ab', 'a b', 'x'.repeat(256)].map((name) => nameFault(name, existing))).toEqual([
      'taken',
      'short',
      'characters',
      'characters',
      'characters',
    ]);
  });

  it('has options and labels', () => {
    expect(createRequest('', '', [{ name: '', value: '' }], [])).toEqual({ DriverOpts: {}, Labels: {} });
    expect(createRequest('db', ' local ', [{ name: 'type', value: 'tmpfs' }], [{ name: 'a', value: '' }])).toEqual({
      Name: 'db',
      Driver: 'local',
      DriverOpts: { type: 'tmpfs' },
      Labels: { a: '' },
    });
  });

  it('has pairs with names, each once', () => {
    const pairs = ['', 'a', 'a'].map((name) => ({ name, value: name === '' ? 'x' : '' }));
    expect([...pairFaults([...pairs, { name: '', value: '' }])]).toEqual([
      [0, 'name'],
      [2, 'twice'],
    ]);
  });
});
