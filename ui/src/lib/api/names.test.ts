import { expect, it } from 'vitest';
import { nameIn, nameOf, shortId } from './names';

it('a container goes by its own name, not by what others link it as', () => {
  const Id = 'f'.repeat(64);
  expect(nameOf({ Id, Names: ['/web/db', '/db'] })).toBe('db');
  expect(nameOf({ Id, Names: ['/web/db'] })).toBe('web/db');
  expect(nameOf({ Id, Names: [] })).toBe('ffffffffffff');
  expect(nameIn({ Name: '/db' })).toBe('db');
  expect(shortId(`sha256:${Id}`)).toBe('ffffffffffff');
});
