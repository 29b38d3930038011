import { describe, expect, it } from 'vitest';
import { member, summary } from '$features/containers/sample';
import { LABEL } from '$features/containers/rows';
import {
  condition,
  downCommand,
  matching,
  projects,
  quoted,
  runningCount,
  startCommand,
  toneOf,
  upCommand,
  type Project,
} from './projects';
import { colours, sources } from './sources';

const labels = (files: string) => ({
  [LABEL.project]: 'shop',
  [LABEL.service]: 'web',
  [LABEL.files]: files,
  [LABEL.folder]: '/home/ada/shop',
});
const only = (...members: ReturnType<typeof member>[]): Project => projects(members)[0]!;

describe('projects', () => {
  it('come from labels, by name, with their services', () => {
    const found = projects([
      member('shop', 'web', { number: 2 }),
      summary('loose'),
      member('blog', 'web'),
      member('shop', 'db'),
      member('shop', 'web', { number: 1 }),
    ]);
    expect(found.map(({ name, services }) => [name, services.map((one) => [one.name, one.rows.length])])).toEqual([
      ['blog', [['web', 1]]],
      [
        'shop',
        [
          ['db', 1],
          ['web', 2],
        ],
      ],
    ]);
  });

  it('have the files that any of their containers names, once', () => {
    const one = only(
      member('shop', 'web', { Labels: labels('/home/ada/shop/compose.yaml,/home/ada/shop/dev.yaml') }),
      member('shop', 'web', { number: 2, Labels: labels('/home/ada/shop/compose.yaml') }),
    );
    expect(one.files).toEqual(['/home/ada/shop/compose.yaml', '/home/ada/shop/dev.yaml']);
    expect(one.folder).toBe('/home/ada/shop');
  });

  it('have containers without a service too, under their own names', () => {
    const one = only({ ...summary('odd'), Labels: { [LABEL.project]: 'shop' } });
    expect(one.services.map(({ name }) => name)).toEqual(['odd']);
  });
});

describe('a project', () => {
  const stopped = { State: 'exited', Status: 'Exited (137) 1 hour ago' };
  const finished = { State: 'exited', Status: 'Exited (0) 1 hour ago' };
  it.each([
    ['running', [{}, {}], 'good', 2],
    // A migration that has done its work is no part that is missing.
    ['running', [{}, finished], 'good', 1],
    ['partly', [{}, stopped], 'warn', 1],
    ['stopped', [stopped, finished], 'quiet', 0],
    ['unwell', [{}, { Status: 'Up 1 hour (unhealthy)' }], 'bad', 2],
    ['unwell', [{}, { State: 'restarting', Status: 'Restarting (1) 2 seconds ago' }], 'bad', 2],
  ] as const)('is %s', (expected, states, tone, running) => {
    const one = only(...states.map((state, number) => member('shop', `s${number}`, { ...state })));
    expect([condition(one), toneOf(one), runningCount(one)]).toEqual([expected, tone, running]);
  });

  it('is found by its name, its services and its files', () => {
    const all = projects([member('shop', 'web', { Labels: labels('/srv/market/compose.yaml') }), member('blog', 'db')]);
    const names = (search: string) => matching(all, search).map(({ name }) => name);
    expect(names('')).toEqual(['blog', 'shop']);
    expect(names('SHO')).toEqual(['shop']);
    expect(names('db')).toEqual(['blog']);
    expect(names('market web')).toEqual(['shop']);
    expect(names('market db')).toEqual([]);
  });
});

describe('commands', () => {
  it('name the project and its files', () => {
    const one = only(member('shop', 'web', { Labels: labels('/a/compose.yaml,/a/my dev.yaml') }));
    expect(upCommand(one)).toBe("docker compose -p shop -f /a/compose.yaml -f '/a/my dev.yaml' up -d");
    expect(downCommand(one)).toBe("docker compose -p shop -f /a/compose.yaml -f '/a/my dev.yaml' down");
    expect(downCommand(only(member('shop', 'web')))).toBe('docker compose -p shop down');
    expect(startCommand('compose.yaml')).toBe('docker compose -f compose.yaml up -d');
  });

  it.each([
    ['compose.yaml', 'compose.yaml'],
    ['~/shop/compose.yaml', '~/shop/compose.yaml'],
    ['a b', "'a b'"],
    ["it's", `'it'\\''s'`],
    ['$(rm -rf ~)', "'$(rm -rf ~)'"],
    ['a;b', "'a;b'"],
    ['C:\\shop\\compose.yaml', 'C:\\shop\\compose.yaml'],
    ['C:\\my shop\\compose.yaml', '"C:\\my shop\\compose.yaml"'],
    ['\\\\host\\share\\a b.yaml', '"\\\\host\\share\\a b.yaml"'],
  ])('quote %s', (text, expected) => expect(quoted(text)).toBe(expected));
});

describe('sources of its log', () => {
  const one = only(
    member('shop', 'web', { number: 1 }),
    member('shop', 'web', { number: 2, State: 'exited' }),
    member('shop', 'db'),
  );

  it('are called by the service, with a number where there are several', () => {
    expect(sources(one).map(({ label, alive }) => [label, alive])).toEqual([
      ['db', true],
      ['web-1', true],
      ['web-2', false],
    ]);
  });

  it('have the colour of the service', () => {
    const colour = colours(one);
    expect(colour['web-1']).toBe(colour['web-2']);
    expect(colour['web-1']).not.toBe(colour.db);
  });
});
