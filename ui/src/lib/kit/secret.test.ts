import { expect, it } from 'vitest';
import { DOTS, masked, unmasked } from './secret';

const ENV = ['PATH=/bin', 'DB_PASSWORD=hunter2', 'URL=postgres://ada:hunter2@db/shop', 'EMPTY_SECRET=', 'ODD'];

it('puts dots for what is secret, and for nothing else', () => {
  expect(masked(ENV)).toEqual(['PATH=/bin', `DB_PASSWORD=${DOTS}`, `URL=${DOTS}`, 'EMPTY_SECRET=', 'ODD']);
});

it('takes dots for the value that was there, also where lines moved, came or went', () => {
  const [path, password, url] = masked(ENV);
  expect(unmasked([url!, 'NEW=1', password!, path!], ENV)).toEqual([ENV[2], 'NEW=1', ENV[1], ENV[0]]);
  expect(unmasked(['DB_PASSWORD=other'], ENV)).toEqual(['DB_PASSWORD=other']);
  expect(unmasked([`OTHER=${DOTS}`], ENV)).toEqual([`OTHER=${DOTS}`]);
});
