import { describe, expect, it } from 'vitest';
import { BY, isShown, matching, tally } from './filter';
import { row } from './rows';
import { aRow, member } from './sample';

const web = row(member('shop', 'web', { Ports: [{ IP: '0.0.0.0', PublicPort: 8080, PrivatePort: 80, Type: 'tcp' }] }));
const db = row(member('shop', 'db', { Image: 'postgres:17', Status: 'Up 1 hour (unhealthy)' }));
const old = aRow('old', { State: 'exited', Status: 'Exited (0) 2 days ago', Created: 1_600_000_000 });
const still = aRow('still', { State: 'paused', Status: 'Up 1 hour (Paused)' });
const all = [web, db, old, still];
const names = (rows: { name: string }[]) => rows.map((one) => one.name);

describe('matching', () => {
  it.each([
    ['', ['shop-web-1', 'shop-db-1', 'old', 'still']],
    ['  ', ['shop-web-1', 'shop-db-1', 'old', 'still']],
    ['WEB', ['shop-web-1']],
    ['shop postgres', ['shop-db-1']],
    ['unhealthy', ['shop-db-1']],
    ['8080', ['shop-web-1']],
    ['nothing like it', []],
    ['.*', []],
  ])('“%s”', (search, found) => expect(names(matching(all, search, 'all'))).toEqual(found));

  it('finds by the beginning of an ID', () => {
    expect(names(matching(all, old.id.slice(0, 8), 'all'))).toEqual(['old']);
  });

  it('narrows to a state', () => {
    expect(names(matching(all, '', 'alive'))).toEqual(['shop-web-1', 'shop-db-1', 'still']);
    expect(names(matching(all, '', 'exited'))).toEqual(['old']);
    expect(names(matching(all, 'shop', 'paused'))).toEqual([]);
  });
});

it('counts by state', () => {
  expect(tally(all)).toMatchObject({ all: 4, alive: 3, running: 2, exited: 1, paused: 1, dead: 0 });
});

it('knows what it can show', () => {
  expect(['all', 'alive', 'exited', 'nonsense', '', undefined].map(isShown)).toEqual([
    true,
    true,
    true,
    false,
    false,
    false,
  ]);
});

describe('orders', () => {
  it('puts ten after nine', () => {
    const rows = ['web-10', 'web-9', 'API'].map((name) => aRow(name));
    expect(names(rows.sort(BY.name))).toEqual(['API', 'web-9', 'web-10']);
  });

  it('puts what runs first', () => {
    expect(names([...all].sort(BY.state))).toEqual(['shop-db-1', 'shop-web-1', 'still', 'old']);
  });

  it('puts what publishes nothing last', () => {
    expect(names([...all].sort(BY.ports))).toEqual(['shop-web-1', 'old', 'shop-db-1', 'still']);
  });

  it('goes by age', () => {
    expect(names([...all].sort(BY.created))[0]).toBe('old');
  });
});
