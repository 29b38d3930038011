import { expect, it } from 'vitest';
import { expectBuild } from '../../../../../tests/contract/builds';
import * as builds from '$lib/api/builds';
import { lines } from '$lib/api/lines';
import { ManualClock } from '../core/clock';
import { FakeEngine } from '../engine';
import { scene } from '../scenes';

/** An engine in which a build has just begun: a step, and another one behind it. */
function begun(more: object = {}) {
  const clock = new ManualClock();
  const engine = new FakeEngine({ clock });
  const { ref } = engine.world.history.add({
    name: 'app',
    ago: 0,
    tags: ['app:latest'],
    steps: [
      { name: '[1/2] FROM busybox', from: 0, takes: 100, cached: true },
      {
        name: '[2/2] RUN make',
        from: 200,
        takes: 3000,
        output: [
          [1000, 'made'],
          [2500, 'again'],
        ],
        ...more,
      },
    ],
  });
  return { clock, engine, ref };
}

async function read(body: ReadableStream<Uint8Array>, into: string[]): Promise<void> {
  for await (const line of lines(body)) into.push(line);
}

it('has a build be as far as the time that has passed', async () => {
  const { clock, engine, ref } = begun();
  await clock.advance(1500);
  const half = await builds.inspect(engine, ref);
  expect(half).toMatchObject({ Status: 'running', CompletedAt: null, Steps: { Total: 2, Completed: 1, Cached: 1 } });
  expect(half.Vertices.map(({ CompletedAt }) => CompletedAt === null)).toEqual([false, true]);
  await clock.advance(1700);
  expect(await builds.inspect(engine, ref)).toMatchObject({ Status: 'completed', Steps: { Completed: 2 } });
});

it('follows a log until the build ends, of one step without what is about it', async () => {
  const { clock, engine, ref } = begun();
  const { Vertices } = await builds.inspect(engine, ref);
  const whole: string[] = [];
  const step: string[] = [];
  const ends = [
    read(await builds.logs(engine, ref, { follow: true }), whole),
    read(await builds.logs(engine, ref, { follow: true, vertex: Vertices[1]!.Digest }), step),
  ];
  await clock.advance(1500);
  expect(step).toEqual(['made']);
  await clock.advance(2000);
  await Promise.all(ends);
  expect(step).toEqual(['made', 'again']);
  expect(whole).toEqual([
    '#1 [1/2] FROM busybox',
    '#1 CACHED',
    '',
    '#2 [2/2] RUN make',
    '#2 1.000 made',
    '#2 2.500 again',
    '#2 DONE 3.0s',
  ]);
});

it('tells of a failure where it was, and of one that was called off', async () => {
  const { clock, engine, ref } = begun({ error: 'exit code: 2' });
  await clock.advance(4000);
  const failed = await builds.inspect(engine, ref);
  expect(failed).toMatchObject({ Status: 'error', Error: 'exit code: 2', ImageID: '' });
  expect(failed.Vertices[1]!.Error).toBe('exit code: 2');
  const { ref: other } = engine.world.history.add({
    name: 'app',
    ago: 60_000,
    calledOff: 50,
    steps: [{ name: 'RUN sleep', from: 0, takes: 1000 }],
  });
  const ended = await builds.inspect(engine, other);
  expect(ended.Status).toBe('canceled');
  expect(Date.parse(ended.CompletedAt!) - Date.parse(ended.CreatedAt)).toBe(50);
});

it('forgets what has ended only', async () => {
  const { clock, engine, ref } = begun();
  await expect(builds.remove(engine, ref)).rejects.toMatchObject({ status: 409 });
  await clock.advance(4000);
  await builds.remove(engine, ref);
  expect(await builds.list(engine)).toEqual([]);
});

it('gives all builds of its scenes in the shape that the contract has', async () => {
  const engine = scene('busy');
  const all = await builds.list(engine);
  expect(new Set(all.map(({ Status }) => Status))).toEqual(new Set(['running', 'completed', 'error', 'canceled']));
  for (const build of all) {
    expectBuild({ ...build });
    expectBuild({ ...(await builds.inspect(engine, build.Ref)) }, true);
  }
});
