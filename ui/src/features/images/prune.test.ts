import { beforeEach, expect, it } from 'vitest';
import * as containers from '$lib/api/containers';
import * as images from '$lib/api/images';
import type { FakeEngine } from '$lib/backend/fake/engine';
import { scene } from '$lib/backend/fake/scenes';
import { carryOut, plan, type Plan } from './prune';
import { tags } from './rows';

let backend: FakeEngine;
beforeEach(() => (backend = scene('busy')));

async function shown(): Promise<Plan> {
  return plan(await images.list(backend), await containers.list(backend, { all: true }), 'unused');
}

async function names(): Promise<string[]> {
  return (await images.list(backend)).flatMap(tags);
}

it('removes what was shown and says what came free', async () => {
  const what = await shown();
  const outcome = await carryOut(backend, what);
  expect(outcome.gone.toSorted()).toEqual(what.goes.map(({ Id }) => Id).sort());
  expect(outcome.names).toEqual(expect.arrayContaining(what.goes.flatMap(tags)));
  expect(outcome.kept).toEqual([]);
  expect(outcome.freed).toBeGreaterThan(0);
  const after = await shown();
  expect(after.goes).toEqual([]);
});

it('takes nothing that came free since, nor a name that another image took', async () => {
  const what = await shown();
  // In use when it was shown.
  const [user] = (await containers.list(backend, { all: true })).filter(({ Image }) => Image.startsWith('grafana'));
  await containers.remove(backend, user!.Id, { force: true });
  const [moved] = what.goes.flatMap(tags);
  const other = (await images.list(backend)).find(({ Id }) => what.goes.every((image) => image.Id !== Id))!;
  const { name, tag } = images.split(moved!);
  await images.tag(backend, other.Id, { repo: name, tag });
  const outcome = await carryOut(backend, what);
  expect(await names()).toContain(user!.Image);
  expect(await names()).toContain(moved);
  expect(outcome.names).not.toContain(moved);
});

it('keeps what a container came to need, and says so', async () => {
  const what = await shown();
  const image = what.goes.find((one) => tags(one).length > 0)!;
  await containers.create(backend, { Image: tags(image)[0]! });
  const outcome = await carryOut(backend, what);
  expect(outcome.gone).not.toContain(image.Id);
  expect(outcome.kept).toEqual([{ name: tags(image)[0], why: expect.stringContaining('container') }]);
  expect(outcome.gone).toHaveLength(what.goes.length - 1);
});
