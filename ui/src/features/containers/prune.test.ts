import { expect, it } from 'vitest';
import { scene } from '$lib/backend/fake/scenes';
import * as volumes from '$lib/api/volumes';
import { keep } from '$features/volumes/keeper';
import { stopped } from './prune';

it('leaves out what only reads a volume for a page', async () => {
  const backend = scene('busy');
  const desk = { backend };
  const before = (await stopped(desk)).map(({ row }) => row.id);
  expect(before.length).toBeGreaterThan(0);
  await volumes.create(backend, { Name: 'data' });
  await keep(backend, 'data', 'read');
  expect((await stopped(desk)).map(({ row }) => row.id)).toEqual(before);
});
