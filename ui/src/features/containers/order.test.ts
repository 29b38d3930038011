import { describe, expect, it } from 'vitest';
import { stages } from './order';
import { row } from './rows';
import { aRow, member } from './sample';

const of = (project: string, service: string, ...needs: string[]) =>
  row(member(project, service, { dependsOn: needs.map((need) => `${need}:service_started:false`).join(',') }));
const names = (found: { name: string }[][]) => found.map((stage) => stage.map((one) => one.name));

const web = of('shop', 'web', 'api', 'cache');
const api = of('shop', 'api', 'db');
const cache = of('shop', 'cache');
const db = of('shop', 'db');

describe('stages', () => {
  it('start what others need first', () => {
    expect(names(stages([web, api, cache, db], 'start'))).toEqual([
      ['shop-cache-1', 'shop-db-1'],
      ['shop-api-1'],
      ['shop-web-1'],
    ]);
  });

  it('stop and remove it last', () => {
    const expected = [['shop-web-1'], ['shop-api-1'], ['shop-cache-1', 'shop-db-1']];
    expect(names(stages([web, api, cache, db], 'stop'))).toEqual(expected);
    expect(names(stages([web, api, cache, db], 'remove'))).toEqual(expected);
  });

  it('go over services that are not among the rows', () => {
    expect(names(stages([web, db], 'start'))).toEqual([['shop-web-1', 'shop-db-1']]);
  });

  it('do not mix projects up', () => {
    expect(names(stages([of('a', 'web', 'db'), of('b', 'db')], 'start'))).toEqual([['a-web-1', 'b-db-1']]);
  });

  it('do all that belong to no project at once', () => {
    expect(names(stages([aRow('x'), aRow('y')], 'stop'))).toEqual([['x', 'y']]);
  });

  it('end where services need each other', () => {
    const found = stages([of('p', 'a', 'b'), of('p', 'b', 'a'), of('p', 'c', 'c')], 'start');
    expect(found.flat()).toHaveLength(3);
  });
});
