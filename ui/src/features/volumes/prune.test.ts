import { expect, it } from 'vitest';
import * as containers from '$lib/api/containers';
import * as volumes from '$lib/api/volumes';
import { scene } from '$lib/backend/fake/scenes';
import { keep } from './keeper';
import { prune } from './prune';
import { prunable, rows, type VolumeRow } from './rows';

const backend = scene('busy');
const list = () => containers.list(backend, { all: true });
const names = async () => (await volumes.list(backend)).map(({ Name }) => Name);

async function shown(): Promise<VolumeRow[]> {
  return prunable(rows(await volumes.list(backend), await list(), new Map()), 'unused');
}

it('removes what was shown, and nothing else', async () => {
  for (const name of ['one', 'other', 'used']) await volumes.create(backend, { Name: name });
  const what = await shown();
  // Left by a window that is gone; it would keep the volume.
  await keep(backend, 'one', 'read');
  await volumes.create(backend, { Name: 'new' });
  await volumes.remove(backend, 'other');
  await containers.create(backend, {
    Image: 'alpine:3.22',
    HostConfig: { Mounts: [{ Type: 'volume', Source: 'used', Target: '/data' }] },
  });
  const { gone, kept } = await prune(backend, what, await list());
  expect(gone.map(({ name }) => name)).toContain('one');
  expect(gone.map(({ name }) => name)).not.toContain('other');
  expect(kept).toEqual([{ name: 'used', why: expect.stringContaining('in use') }]);
  expect(await names()).toEqual(expect.arrayContaining(['new', 'used']));
  expect(await names()).not.toContain('one');
});

it('leaves one of the same name that was made since', async () => {
  await volumes.create(backend, { Name: 'again' });
  const what = (await shown()).filter(({ name }) => name === 'again');
  const { gone } = await prune(backend, [{ ...what[0]!, created: '2020-01-01T00:00:00Z' }], []);
  expect(gone).toEqual([]);
  expect(await names()).toContain('again');
});
