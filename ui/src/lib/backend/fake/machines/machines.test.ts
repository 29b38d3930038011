import { beforeEach, describe, expect, it } from 'vitest';
import { list } from '$lib/api/containers';
import { change } from '$lib/api/daemon';
import type { Backend } from '../../backend';
import { ManualClock } from '../core/clock';
import { host, type FakeHost } from '../host';

let clock: ManualClock;
let first: Required<FakeHost>;

beforeEach(() => {
  clock = new ManualClock();
  first = host('busy', { clock }) as Required<FakeHost>;
});

const machines = () => first.desktop.machines;

/** Does it, however long it takes. */
async function done<T>(job: Promise<T>): Promise<T> {
  let over = false;
  const end = () => (over = true);
  job.then(end, end);
  while (!over) await clock.advance(200);
  return job;
}

async function ask(daemon: Backend, verb: 'up' | 'down'): Promise<void> {
  await done(
    (async () => {
      for await (const status of change(daemon, verb)) void status;
    })(),
  );
}

const names = async () => (await machines().list()).machines.map(({ name }) => name);

describe('the simulated machines', () => {
  it('are made, listed and removed', async () => {
    await machines().create('work', { cpus: 1 });
    expect(await names()).toEqual(['default', 'staging', 'work']);
    const { machines: all, shown } = await machines().list();
    expect(shown).toBe('default');
    expect(all[2]).toMatchObject({ phase: 'stopped', cpus: 1, disk_held: 0, context: 'berth-work', in_use: false });
    await expect(machines().create('work', {})).rejects.toThrow('there is a machine `work` already');
    await expect(machines().create('Work', {})).rejects.toThrow('`Work` is no name of a machine');
    await expect(machines().remove('default')).rejects.toThrow('the default machine cannot be removed');
    await machines().remove('work');
    expect(await names()).toEqual(['default', 'staging']);
  });

  it('refuse a size that is none, and leave nothing behind', async () => {
    await expect(machines().create('work', { cpus: 4096 })).rejects.toThrow();
    expect(await names()).not.toContain('work');
  });

  it('are used one at a time, and go on when another one is', async () => {
    const other = await machines().use('staging');
    expect(await machines().list()).toMatchObject({ shown: 'staging' });
    expect(other.engine).not.toBe(first.engine);
    expect((await machines().list()).machines[0]).toMatchObject({ name: 'default', phase: 'running', in_use: false });
    await expect(machines().remove('staging')).rejects.toThrow('this window shows the machine staging');
    expect((await machines().use('default')).engine).toBe(first.engine);
  });

  it('are copied while nothing writes to them, with all that is in them', async () => {
    await expect(machines().clone('default', 'copy')).rejects.toThrow('the machine default is not stopped');
    await ask(first.daemon, 'down');
    await done(machines().clone('default', 'copy'));
    const copy = await machines().use('copy');
    await ask(copy.daemon!, 'up');
    await ask(first.daemon, 'up');
    const inside = async (engine: Backend) => (await done(list(engine, { all: true }))).map(({ Id }) => Id).sort();
    const before = await inside(first.engine);
    expect(await inside(copy.engine)).toEqual(before);
    first.engine.vanish('shop-web-1');
    expect(await inside(copy.engine)).toEqual(before);
  });

  it('go back to a snapshot', async () => {
    await expect(done(machines().makeSnapshot('default', 'now'))).rejects.toThrow('is not stopped');
    await ask(first.daemon, 'down');
    const made = await done(machines().makeSnapshot('default', 'now'));
    expect(made.held).toBeGreaterThan(1_000_000_000);
    await expect(machines().makeSnapshot('default', 'now')).rejects.toThrow('there is a snapshot `now` already');
    first.engine.vanish('shop-web-1');
    await done(machines().restoreSnapshot('default', 'now'));
    await ask(first.daemon, 'up');
    expect((await list(first.engine, { all: true })).some(({ Names }) => Names?.includes('/shop-web-1'))).toBe(true);
    await machines().removeSnapshot('default', 'now');
    await expect(machines().removeSnapshot('default', 'now')).rejects.toThrow('there is no snapshot `now`');
  });

  it('leave the computer as a file and come back', async () => {
    expect(await machines().import('moved')).toBe(false);
    await machines().create('new', {});
    await expect(machines().export('new')).rejects.toThrow('there is nothing to copy');
    const sent = await done(machines().export('staging'));
    expect(sent?.file).toMatch(/berth-staging\.tar\.zst$/);
    expect(await done(machines().import('moved'))).toBe(true);
    expect((await machines().list()).machines.find(({ name }) => name === 'moved')).toMatchObject({ disk_gib: 32 });
  });
});
