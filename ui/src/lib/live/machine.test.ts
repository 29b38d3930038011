import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { MachineStatus, Step } from '$lib/api/generated/daemon';
import { type Request, Unreachable } from '$lib/backend/backend';
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
async function following({ up = true, cannot = undefined as string | undefined } = {}) {
  const held = { up, cannot, watches: [] as Stream[], changes: [] as Stream[] };
  const open = (into: Stream[]) => (request: Request) => {
    // Where there is a machine, and no daemon can be started for it.
    if (held.cannot !== undefined && request.path.endsWith('?start=true')) throw new Error(held.cannot);
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

it('tells a machine that stands still from one that runs', async () => {
  const { machine, held, say } = await following();
  await say(held.watches[0], status('running', { paused: true }));
  expect([machine.phase, machine.asleep]).toEqual(['running', true]);
  await say(held.watches[0], status('running'));
  expect(machine.asleep).toBe(false);
  // What was true of it is not any more.
  await say(held.watches[0], status('stopping', { paused: true }));
  expect(machine.asleep).toBe(false);
});

it('asks once for a daemon that is started, and takes none for a machine that is not there', async () => {
  const { machine, daemon, held, say } = await following({ up: false });
  expect(daemon.requests.map(({ path }) => path)).toEqual(['/watch?start=true']);
  expect([machine.reach, machine.phase]).toEqual(['absent', 'stopped']);
  await vi.advanceTimersByTimeAsync(500 + 1000 + 2000);
  expect(daemon.requests.map(({ path }) => path).slice(1)).toEqual(['/watch', '/watch', '/watch']);
  held.up = true;
  machine.retry();
  await vi.advanceTimersByTimeAsync(1);
  await say(held.watches[0], status('running'));
  expect(machine.phase).toBe('running');
});

it('does not know of a machine that ran when its daemon is gone, and says why none can be started', async () => {
  const { machine, daemon, held, say } = await following();
  await say(held.watches[0], status('running'));
  held.up = false;
  held.watches[0]!.end();
  await vi.advanceTimersByTimeAsync(1);
  expect([machine.reach, machine.phase, machine.status]).toEqual(['absent', 'unknown', undefined]);
  // Nobody's daemon is brought back by looking, however long it is looked.
  await vi.advanceTimersByTimeAsync(60_000);
  expect(daemon.requests.filter(({ path }) => path.endsWith('start=true'))).toHaveLength(1);
  held.cannot = 'the daemon ended at once: no room';
  machine.look();
  await vi.advanceTimersByTimeAsync(1);
  expect([machine.phase, machine.why?.message]).toEqual(['unknown', 'the daemon ended at once: no room']);
  held.cannot = undefined;
  held.up = true;
  machine.look();
  await vi.advanceTimersByTimeAsync(1);
  await say(held.watches.at(-1), status('stopped'));
  expect(machine.phase).toBe('stopped');
});

it('does not take a machine whose daemon cannot be started for stopped', async () => {
  const { machine } = await following({ up: false, cannot: 'the daemon ended at once: no room' });
  expect([machine.phase, machine.why?.message]).toEqual(['unknown', 'the daemon ended at once: no room']);
});

it('tells whoever asked that a daemon went before the machine had come to rest', async () => {
  const { machine, held, say } = await following();
  await say(held.watches[0], status('stopped'));
  const asked = machine.change('up');
  await vi.advanceTimersByTimeAsync(1);
  await say(held.changes[0], status('starting', { active: 'boot' }));
  await say(held.watches[0], status('starting', { active: 'boot' }));
  held.up = false;
  held.watches[0]!.end();
  await vi.advanceTimersByTimeAsync(1);
  held.changes[0]!.end();
  await expect(asked).rejects.toBeInstanceOf(Unreachable);
  expect([machine.phase, machine.status]).toEqual(['unknown', undefined]);
});

it('forgets what a daemon said that is gone', async () => {
  const { machine, held, say } = await following();
  await say(held.watches[0], status('stopped'));
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
