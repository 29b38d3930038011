import { expect, test } from 'vitest';
import { json } from '$lib/api/call';
import type { ContainerSummary, ImageSummary } from '$lib/api/generated';
import { ManualClock } from './core/clock';
import { SCENES, scene } from './scenes';

const get = <T>(engine: ReturnType<typeof scene>, path: string) => json<T>(engine, { method: 'GET', path });

test('a busy computer has projects in all states', async () => {
  const engine = scene('busy', { clock: new ManualClock() });
  const containers = await get<ContainerSummary[]>(engine, '/containers/json?all=1');
  expect(containers.length).toBeGreaterThan(12);
});

test.each(SCENES.filter((name) => name !== 'unreachable'))('scene %s can be looked at', async (name) => {
  const engine = scene(name, { clock: new ManualClock() });
  const containers = await get<ContainerSummary[]>(engine, '/containers/json?all=1&size=1');
  for (const { Id } of containers.slice(0, 30)) {
    await get(engine, `/containers/${Id}/json?size=1`);
    await get(engine, `/containers/${Id}/stats?stream=0&one-shot=1`);
  }
  for (const { Id } of await get<ImageSummary[]>(engine, '/images/json?all=1')) {
    await get(engine, `/images/${Id}/json`);
    await get(engine, `/images/${Id}/history`);
  }
  await get(engine, '/system/df');
  await get(engine, '/info');
});
