import { expect, it } from 'vitest';
import { inspected, vertex } from '../testing/sample';
import { failedStep, ticks, timeline } from './timeline';

const BEGAN = Date.parse('2026-01-15T12:00:00.123Z');
const RUNNING = { Status: 'running', CompletedAt: null } as const;

it('puts each step where it was on one axis', () => {
  const { steps, length } = timeline(
    inspected([
      vertex('[internal] load build definition', 0, 50),
      vertex('[build 1/2] FROM x', 60, 60, { Cached: true }),
      vertex('[build 2/2] RUN make', 100, 9000),
      vertex('exporting to image', 9000, 9900),
    ]),
    0,
  );
  expect(length).toBe(10_000);
  expect(steps.map(({ stage, text, state, began, took }) => [stage, text, state, began, took])).toEqual([
    ['internal', 'load build definition', 'done', 0, 50],
    ['build 1/2', 'FROM x', 'cached', 60, 0],
    ['build 2/2', 'RUN make', 'done', 100, 8900],
    ['', 'exporting to image', 'done', 9000, 900],
  ]);
});

it('has what runs grow with the time', () => {
  const build = inspected([vertex('RUN make', 1000), vertex('RUN test')], RUNNING);
  const at = (ms: number) => timeline(build, BEGAN + ms);
  expect(at(4000).steps.map(({ state, took }) => [state, took])).toEqual([
    ['running', 3000],
    ['waiting', undefined],
  ]);
  expect(at(8000).steps[0]!.took).toBe(7000);
  expect(at(8000).length).toBe(8000);
});

it('bears a clock that is behind the engine’s', () => {
  const { steps, length } = timeline(inspected([vertex('RUN make', 1000)], RUNNING), BEGAN - 60_000);
  expect(steps[0]).toMatchObject({ state: 'running', began: 1000, took: 0 });
  expect(length).toBe(1000);
});

it('tells what failed from what was called off with it, and from what never ran', () => {
  const build = inspected(
    [
      vertex('RUN lint', 0, 2000, { Error: 'context canceled' }),
      vertex('RUN pull', 0, 2000, { Error: 'failed to fetch: context canceled' }),
      vertex('RUN make', 0, 2000, { Error: 'exit code: 2' }),
      vertex('RUN open', 500),
      vertex('RUN later'),
    ],
    { Status: 'error', Error: 'exit code: 2' },
  );
  expect(timeline(build, 0).steps.map(({ state }) => state)).toEqual([
    'canceled',
    'canceled',
    'error',
    'canceled',
    'skipped',
  ]);
  expect(failedStep(build)).toBe(2);
  expect(failedStep(inspected([vertex('RUN make', 0, 1)]))).toBeUndefined();
});

it('has an axis for a build of which nothing is known yet', () => {
  expect(timeline(inspected([], { ...RUNNING, CreatedAt: '' }), BEGAN)).toEqual({ steps: [], length: 1 });
});

it('marks round times, and few', () => {
  expect(ticks(10_000)).toEqual([0, 2000, 4000, 6000, 8000, 10_000]);
  expect(ticks(37_800)).toEqual([0, 10_000, 20_000, 30_000]);
  expect(ticks(75_820)).toEqual([0, 30_000, 60_000]);
  expect(ticks(1)).toEqual([0, 1]);
  for (const length of [1, 7, 450, 61_000, 3_700_000, 400_000_000, 10 * 86_400_000]) {
    expect(ticks(length).length).toBeLessThanOrEqual(6);
    expect(ticks(length).every((one) => Number.isInteger(one) && one <= length)).toBe(true);
  }
});
