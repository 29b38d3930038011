import { expect, it, vi } from 'vitest';
import * as containers from '$lib/api/containers';
import * as images from '$lib/api/images';
import { ManualClock } from '$lib/backend/fake/core/clock';
import { scene } from '$lib/backend/fake/scenes';
import { status } from '$lib/live/testing/status';
import { isFresh } from '$lib/shell/fresh';
import { relevant, worst } from './checks';
import { run } from './sample';
import { stageOf } from './stage';

async function fetched(engine: ReturnType<typeof scene>, clock: ManualClock, image: string) {
  let done = false;
  const pulling = (async () => {
    for await (const _ of images.pull(engine, image)) void _;
    done = true;
  })();
  while (!done) {
    clock.advance(1000);
    await new Promise((resolve) => setTimeout(resolve));
  }
  await pulling;
}

it('fetches an image that is not there, and runs it with its ports on free ones and a free name', async () => {
  const clock = new ManualClock();
  const engine = scene('empty', { clock });
  const go = async () => {
    const pull = vi.fn(() => fetched(engine, clock, 'nginx:alpine'));
    const steps: string[] = [];
    const ran = await run(engine, {
      sample: 'web',
      image: 'nginx:alpine',
      containers: await containers.list(engine, { all: true }),
      signal: new AbortController().signal,
      step: (step) => steps.push(step),
      pull,
    });
    return { ran, steps, pulls: pull.mock.calls.length };
  };
  const first = await go();
  expect(first).toMatchObject({ pulls: 1, steps: ['pull', 'create', 'start'], ran: { name: 'first-web' } });
  expect(first.ran.address).toMatch(/^http:\/\/localhost:\d+$/);
  const second = await go();
  expect(second).toMatchObject({ pulls: 0, ran: { name: 'first-web-2' } });
  expect(second.ran.address).not.toBe(first.ran.address);
  const running = await containers.list(engine, {});
  expect(running.map((one) => one.State)).toEqual(['running', 'running']);
});

it('shows a newcomer what a machine needs, and whatever else stands in its way', () => {
  const checks = [
    { name: 'hypervisor', verdict: 'good' as const, finding: '' },
    { name: 'docker context', verdict: 'notice' as const, finding: 'not there yet' },
    { name: 'settings', verdict: 'bad' as const, finding: 'no TOML' },
    { name: 'daemon', verdict: 'notice' as const, finding: 'not running' },
  ];
  expect(relevant(checks).map((one) => one.name)).toEqual(['hypervisor', 'settings']);
  expect(worst(relevant(checks))).toBe('bad');
  expect(worst(checks.slice(0, 2))).toBe('notice');
  expect(worst([])).toBe('good');
});

it('knows a machine that never ran from one that is only stopped', () => {
  expect(isFresh({ phase: 'stopped', status: undefined })).toBe(true);
  expect(isFresh({ phase: 'stopped', status: status('stopped') })).toBe(true);
  // After a reboot of the computer: no daemon has seen a start of it.
  expect(isFresh({ phase: 'stopped', status: status('stopped', { has_disk: true }) })).toBe(false);
  expect(isFresh({ phase: 'unknown', status: undefined })).toBe(false);
  expect(isFresh({ phase: 'stopped', status: status('stopped', { active: 'boot' }) })).toBe(false);
  expect(isFresh({ phase: 'running', status: status('running') })).toBe(false);
  expect(isFresh({ phase: undefined, status: undefined })).toBe(false);
});

it('is where the machine is on its way', () => {
  expect(stageOf('stopped')).toBe('check');
  expect(stageOf('failed')).toBe('start');
  expect(stageOf('running')).toBe('sample');
  expect(stageOf(undefined)).toBeUndefined();
});
