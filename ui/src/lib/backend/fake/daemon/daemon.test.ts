// @vitest-environment node
import { expect, test } from 'vitest';
import { json } from '$lib/api/call';
import type { ContainerSummary, ImageSummary, Volume } from '$lib/api/generated';
import * as api from '$lib/api/daemon';
import type { MachineStatus } from '$lib/api/generated/daemon';
import { text } from '$lib/api/call';
import { Unreachable } from '../../backend';
import { ManualClock } from '../core/clock';
import { host as made } from '../host';
import type { SceneName } from '../scenes';

function host(name: SceneName) {
  const clock = new ManualClock();
  const { engine, daemon, desktop } = made(name, { clock });
  const list = <T>(path: string) => json<T>(engine, { method: 'GET', path });
  return { clock, engine, daemon: daemon!, desktop: desktop!, list };
}

async function all(statuses: AsyncIterable<MachineStatus>): Promise<MachineStatus[]> {
  const seen: MachineStatus[] = [];
  for await (const status of statuses) seen.push(status);
  return seen;
}

/** What comes of a request when time passes. */
async function outcome(clock: ManualClock, statuses: AsyncIterable<MachineStatus>): Promise<MachineStatus[]> {
  const told = all(statuses);
  await clock.advance(120_000);
  return told;
}

test('the first start goes step by step, formats its disk, and ends with an engine', async () => {
  const { clock, daemon, list } = host('first');
  await expect(list('/containers/json')).rejects.toBeInstanceOf(Unreachable);
  await expect(list('/containers/json')).rejects.toThrow('the machine is stopped: run `berth up`');
  expect(await api.status(daemon)).toMatchObject({
    guest: null,
    forwards: [],
    machine: { phase: 'stopped', steps: [] },
  });

  const told = await outcome(clock, api.change(daemon, 'up'));
  expect(told[0]!.steps.map((report) => [report.step, report.progress])).toEqual([
    ['check', 'active'],
    ['image', 'waiting'],
    ['disk', 'waiting'],
    ['boot', 'waiting'],
    ['link', 'waiting'],
    ['engine', 'waiting'],
  ]);
  expect(new Set(told.flatMap(({ steps }) => steps.flatMap(({ doing }) => doing ?? [])))).toEqual(
    new Set(['formatting the data disk']),
  );
  const last = told.at(-1)!;
  expect(last).toMatchObject({ phase: 'running', failure: null, accelerator: 'kvm', guest_version: '0.1.0' });
  expect(last.start_milliseconds).toBe(last.steps.reduce((sum, { milliseconds }) => sum + milliseconds, 0));
  expect(last.steps.every(({ progress }) => progress === 'done')).toBe(true);
  const images = await list<ImageSummary[]>('/images/json');
  expect(images.flatMap(({ RepoTags }) => RepoTags).toSorted()).toEqual(['busybox:latest', 'hello-world:latest']);
  expect((await api.status(daemon)).guest).toMatchObject({ engine: 'ready', cpus: 4 });
  const console = await text({ status: 200, headers: {}, body: await api.log(daemon, 'console') });
  expect(console).toMatch(/Linux version[^]*the engine is ready\n$/);
});

test('a stop breaks what is open; a start brings back what was to run', async () => {
  const { clock, engine, daemon, list } = host('busy');
  const running = async () =>
    (await list<ContainerSummary[]>('/containers/json')).map(({ Names }) => Names[0]!).toSorted();
  const before = await running();
  const events = text(await engine.request({ method: 'GET', path: '/events' }));
  const broken = expect(events).rejects.toBeInstanceOf(Unreachable);
  const down = await outcome(clock, api.change(daemon, 'down'));
  await broken;
  expect(down.map(({ phase }) => phase)).toEqual(['stopping', 'stopped']);
  await expect(running()).rejects.toBeInstanceOf(Unreachable);
  expect((await outcome(clock, api.change(daemon, 'up'))).at(-1)!.phase).toBe('running');
  const after = await running();
  expect(after.length).toBeGreaterThan(0);
  expect(before).toEqual(expect.arrayContaining(after));
});

test.each(['check', 'image', 'disk', 'boot', 'link', 'engine'] as const)('a start fails at %s', async (step) => {
  const { clock, daemon, desktop, list } = host(`fails-${step}`);
  const last = (await outcome(clock, api.change(daemon, 'up'))).at(-1)!;
  expect(last).toMatchObject({ phase: 'failed', failure: { step, alive: step === 'engine' } });
  expect(last.failure!.console.length > 0).toBe(['boot', 'link', 'engine'].includes(step) && step !== 'boot');
  expect(last.steps.map(({ progress }) => progress).slice(-1)).toEqual([step === 'engine' ? 'failed' : 'waiting']);
  expect(last.notes).toHaveLength(step === 'boot' ? 1 : 0);
  await expect(list('/_ping')).rejects.toThrow(`the machine did not start (${step}): `);
  const checks = desktop.check();
  await clock.advance(1000);
  expect((await checks).at(-1)).toMatchObject({ name: 'daemon', verdict: 'bad' });
  if (step !== 'engine') return;
  await expect(all(api.change(daemon, 'up'))).rejects.toMatchObject({
    status: 409,
    message: 'the machine is failed: run `berth down` first, `berth machine logs` shows why it failed',
  });
  daemon.machine.engineComes();
  expect((await api.status(daemon)).machine.phase).toBe('running');
});

test('a reset takes all, or all but named volumes', async () => {
  const { clock, daemon, list } = host('busy');
  const volumes = async () => (await list<{ Volumes: Volume[] }>('/volumes')).Volumes.map(({ Name }) => Name);
  const named = (await volumes()).filter((name) => name.length < 64).toSorted();
  const kept = await outcome(clock, api.reset(daemon, { keepVolumes: true }));
  expect(kept.map(({ phase }) => phase).filter((phase, at, all) => phase !== all[at - 1])).toEqual([
    'resetting',
    'stopping',
    'starting',
    'running',
  ]);
  expect(await list('/containers/json?all=1')).toEqual([]);
  expect((await volumes()).toSorted()).toEqual(named);
  expect(await list<ImageSummary[]>('/images/json')).toHaveLength(2);

  const gone = await outcome(clock, api.reset(daemon, { keepVolumes: false }));
  expect(gone.map(({ phase }) => phase)).toEqual(['stopping', 'resetting', 'stopped']);
  await outcome(clock, api.change(daemon, 'up'));
  expect(await volumes()).toEqual([]);
});

test('a reset says how it came out', async () => {
  const { clock, daemon } = host('busy');
  const reset = async (keepVolumes: boolean) => (await outcome(clock, api.reset(daemon, { keepVolumes }))).at(-1)!;
  const script = daemon.machine.script;
  daemon.machine.script = { ...script, stuck: { cleaning: 'the engine refused: it will not go' } };
  const stuck = await reset(true);
  expect(stuck).toMatchObject({
    phase: 'failed',
    failure: { during: 'reset', step: null, alive: true },
    reset: { keep_volumes: true, outcome: 'incomplete' },
  });
  daemon.machine.script = { ...script, stuck: { erasing: 'cannot remove it' } };
  expect(await reset(false)).toMatchObject({
    failure: { during: 'reset', alive: false, console: [] },
    reset: { keep_volumes: false, outcome: 'incomplete' },
    has_disk: true,
  });
  daemon.machine.script = { ...script, fate: { step: 'check', cause: 'no QEMU' } };
  expect(await reset(true)).toMatchObject({
    failure: { during: 'reset', step: 'check' },
    reset: { outcome: 'not_begun' },
  });
  daemon.machine.script = script;
  expect(await reset(true)).toMatchObject({ phase: 'running', reset: { keep_volumes: true, outcome: 'done' } });
  expect((await outcome(clock, api.change(daemon, 'restart'))).at(-1)).toMatchObject({ phase: 'running', reset: null });
  expect(await reset(false)).toMatchObject({ phase: 'stopped', reset: { outcome: 'done' }, has_disk: false });
});

test('what waits for the next start is told beside what is in force', async () => {
  const { clock, daemon } = host('busy');
  const inForce = async (name: string) => (await api.settings(daemon)).find((entry) => entry.name === name)!.in_force;
  expect((await api.set(daemon, 'cpus', '2')).in_force).toBe('4');
  await api.set(daemon, 'container_http_proxy', 'http://u:one@p:1');
  await outcome(clock, api.change(daemon, 'restart'));
  expect([await inForce('cpus'), await inForce('container_http_proxy')]).toEqual([null, null]);
  expect((await api.set(daemon, 'container_http_proxy', 'http://u:two@p:1')).in_force).toBe('http://xxxxx:xxxxx@p:1');
  await outcome(clock, api.change(daemon, 'down'));
  expect(await inForce('container_http_proxy')).toBeNull();
});

test('a look starts a daemon only where it says so, and there is a machine', async () => {
  const { daemon } = host('busy');
  daemon.end();
  await expect(api.settings(daemon)).rejects.toBeInstanceOf(Unreachable);
  await expect(all(api.watch(daemon))).rejects.toBeInstanceOf(Unreachable);
  const watched = api.watch(daemon, { start: true });
  expect((await watched.next()).value).toMatchObject({ phase: 'running' });
  const { daemon: none } = host('first');
  none.end();
  await expect(all(api.watch(none, { start: true }))).rejects.toBeInstanceOf(Unreachable);
  expect((await api.settings(none, { start: true })).length).toBeGreaterThan(0);
});

test('a machine that is slow says what keeps it, and can be given up', async () => {
  const { clock, daemon } = host('starting');
  const told = all(api.watch(daemon));
  await clock.advance(14_000);
  expect((await api.status(daemon)).machine.steps[4]).toMatchObject({
    progress: 'active',
    doing: 'checking the data disk',
  });
  expect((await outcome(clock, api.change(daemon, 'down'))).map(({ phase }) => phase)).toEqual(['stopped']);
  daemon.end();
  await expect(told).rejects.toBeInstanceOf(Unreachable);
});

test('trouble shuts the engine out for a while', async () => {
  const { daemon, list } = host('trouble');
  await expect(list('/_ping')).rejects.toThrow(/^the machine does not answer now: the host's disk is full/);
  expect(await api.status(daemon)).toMatchObject({ guest: null, machine: { phase: 'running' } });
  daemon.machine.trouble();
  await list('/containers/json');
  daemon.machine.dies();
  expect((await api.status(daemon)).machine).toMatchObject({ phase: 'failed', failure: { step: null, alive: false } });
});

test('a daemon that was asked to end does, and another one comes when something is asked of the machine', async () => {
  const { clock, daemon, list } = host('busy');
  await api.quit(daemon);
  await expect(api.status(daemon)).rejects.toBeInstanceOf(Unreachable);
  await expect(list('/containers/json')).rejects.toBeInstanceOf(Unreachable);
  expect((await outcome(clock, api.change(daemon, 'up'))).map(({ phase }) => phase)).toEqual(['running']);
  await list('/containers/json');
});

test('a disk grows, and does not shrink', async () => {
  const { clock, daemon } = host('stopped');
  await api.set(daemon, 'disk_gib', '32');
  const { failure } = (await outcome(clock, api.change(daemon, 'up'))).at(-1)!;
  expect(failure).toMatchObject({
    step: 'disk',
    cause: expect.stringMatching(/^the data disk has 64 GiB and cannot shrink to 32 GiB: /),
  });
  await api.set(daemon, 'disk_gib', '80');
  expect((await outcome(clock, api.change(daemon, 'up'))).at(-1)!.phase).toBe('running');
});

test('newer versions are told once they are looked for, and a failure keeps what is known', async () => {
  const { daemon } = host('busy');
  const newer = { version: '0.2.0', date: '2026-11-27', notes: 'https://berth.example/notes', file: null };
  daemon.updates.published = { newer };
  expect((await api.updates(daemon)).state).toBe('not_looked');
  expect(await api.lookForUpdates(daemon)).toMatchObject({ state: 'available', newer });
  daemon.updates.published = { why: 'https://berth.example/newest.json answered 500' };
  expect(await api.lookForUpdates(daemon)).toMatchObject({ state: 'failed', newer });
  await api.set(daemon, 'updates', 'off');
  expect((await api.status(daemon)).updates).toMatchObject({ state: 'off', newer });
});

test('the console of a machine that runs goes forward in time', async () => {
  const { daemon } = host('busy');
  const console = await text({ status: 200, headers: {}, body: await api.log(daemon, 'console') });
  const times = [...console.matchAll(/^(\S+Z) /gm)].map(([, time]) => time!);
  expect(times.length).toBeGreaterThan(5);
  expect(times).toEqual(times.toSorted());
});
