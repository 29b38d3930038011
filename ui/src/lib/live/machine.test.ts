import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { MachineStatus, Step } from '$lib/api/generated/daemon';
import { Unreachable } from '$lib/backend/backend';
import { answer, Scripted, Stream } from '$lib/backend/scripted';
import { Machine } from './machine.svelte';
import { status } from './testing/status';

let stops: (() => void)[] = [];
beforeEach(() => void vi.useFakeTimers({ now: Date.UTC(2026, 10, 26, 12) }));
afterEach(() => {
  for (const stop of stops) stop();
  stops = [];
  vi.useRealTimers();
});

/** A daemon that can be turned off, and a `Machine` that follows it. */
async function following({ up = true } = {}) {
  const held = { up, watches: [] as Stream[], changes: [] as Stream[] };
  const open = (into: Stream[]) => (request: ConstructorParameters<typeof Stream>[0]) => {
    if (!held.up) throw new Unreachable('no daemon');
    into.push(new Stream(request));
    return into.at(-1)!.answer;
  };
  const daemon = new Scripted({
    '/watch': open(held.watches),
    // Asking for a start starts the daemon.
    '/up': (request) => {
      held.up = true;
      return open(held.changes)(request);
    },
    '/down': () => answer(500, { message: 'the daemon is busy' }),
  });
  const machine = new Machine(daemon);
  stops.push(machine.start());
  await vi.advanceTimersByTimeAsync(1);
  const say = async (stream: Stream | undefined, said: MachineStatus) => {
    stream!.say(said);
    await vi.advanceTimersByTimeAsync(1);
  };
  return { machine, daemon, held, say };
}

it('says nothing of the machine until the daemon spoke, then what it says', async () => {
  const { machine, held, say } = await following();
  expect(machine.phase).toBeUndefined();
  await say(held.watches[0], status('running'));
  expect([machine.reach, machine.phase]).toEqual(['connected', 'running']);
});

it('takes no daemon for a machine that is stopped, and looks for one again and again', async () => {
  const { machine, daemon, held, say } = await following({ up: false });
  expect([machine.reach, machine.phase]).toEqual(['absent', 'stopped']);
  await vi.advanceTimersByTimeAsync(500 + 1000 + 2000);
  expect(daemon.count('/watch')).toBe(4);
  held.up = true;
  machine.retry();
  await vi.advanceTimersByTimeAsync(1);
  await say(held.watches[0], status('running'));
  expect(machine.phase).toBe('running');
});

it('forgets what a daemon said that is gone', async () => {
  const { machine, held, say } = await following();
  await say(held.watches[0], status('running'));
  held.up = false;
  held.watches[0]!.end();
  await vi.advanceTimersByTimeAsync(1);
  expect([machine.phase, machine.status]).toEqual(['stopped', undefined]);
});

it('starts the machine without a daemon, shows the steps at once and then follows the daemon', async () => {
  const { machine, held, say } = await following({ up: false });
  const settled = machine.change('up');
  await vi.advanceTimersByTimeAsync(1);
  expect(machine.asked).toBe('up');
  await say(held.changes[0], status('starting', { active: 'boot' }));
  expect(machine.phase).toBe('starting');
  expect(held.watches).toHaveLength(1);
  await say(held.watches[0], status('running'));
  await say(held.changes[0], status('running'));
  held.changes[0]!.end();
  expect((await settled)?.phase).toBe('running');
  expect([machine.phase, machine.asked]).toEqual(['running', undefined]);
});

it('gives the words of a refusal to whoever asked', async () => {
  const { machine, held, say } = await following();
  await say(held.watches[0], status('running'));
  await expect(machine.change('down')).rejects.toThrow('the daemon is busy');
  expect([machine.phase, machine.asked]).toEqual(['running', undefined]);
});

it('counts on what a step takes between two words of the daemon', async () => {
  const { machine, held, say } = await following();
  const took = (step: Step) => machine.took(machine.status!.steps.find((one) => one.step === step)!);
  await say(held.watches[0], status('starting', { active: 'disk', milliseconds: 200 }));
  await vi.advanceTimersByTimeAsync(3000);
  expect(took('disk')).toBeGreaterThanOrEqual(3200);
  // The same step with other words: it goes on, though the daemon counts from its beginning of it.
  await say(held.watches[0], status('starting', { active: 'disk', milliseconds: 0, doing: 'checking the data disk' }));
  expect(took('disk')).toBeGreaterThanOrEqual(3200);
  expect(took('check')).toBe(120);
  await say(held.watches[0], status('starting', { active: 'boot' }));
  expect(took('boot')).toBeLessThan(100);
});
