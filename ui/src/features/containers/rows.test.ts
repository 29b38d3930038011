import { describe, expect, it } from 'vitest';
import { allowed, isAlive, isStopped, row, STATES, toneOf, VERBS } from './rows';
import { aRow, member, summary } from './sample';

describe('a row', () => {
  it('has what the engine says', () => {
    const one = row(member('shop', 'web', { dependsOn: 'db:service_healthy:true,cache:service_started:false' }));
    expect(one).toMatchObject({ name: 'shop-web-1', project: 'shop', service: 'web', state: 'running' });
    expect(one.created).toBe(1_700_000_000_000);
    expect(one.dependsOn).toEqual(['db', 'cache']);
  });

  it('is called by its own name, not by those that links give it', () => {
    expect(row(summary('x', { Names: ['/other/db', '/db'] })).name).toBe('db');
    expect(row(summary('x', { Id: 'f'.repeat(64), Names: [] })).name).toBe('f'.repeat(12));
  });

  it('tells an image without a name by the beginning of its digest', () => {
    expect(aRow('x', { Image: `sha256:${'b'.repeat(64)}` }).image).toBe('b'.repeat(12));
    expect(aRow('x', { Image: 'deadbeef' }).image).toBe('deadbeef');
  });

  it('survives what another engine leaves out', () => {
    const bare = { ...summary('x'), Labels: null, Ports: null, Mounts: null } as unknown as Parameters<typeof row>[0];
    expect(row(bare)).toMatchObject({ ports: [], anonymousVolumes: [], project: undefined });
  });

  it('knows a volume that nobody named by its name', () => {
    const mount = (Type: string, Name: string) => ({
      Type,
      Name,
      Source: '',
      Destination: '/data',
      Mode: '',
      RW: true,
      Propagation: '',
    });
    const one = aRow('x', { Mounts: [mount('volume', 'c'.repeat(64)), mount('volume', 'data'), mount('bind', '')] });
    expect(one.anonymousVolumes).toEqual(['c'.repeat(64)]);
  });

  it.each([
    ['running', 'Up 5 minutes', undefined, undefined, 'good'],
    ['running', 'Up 5 minutes (healthy)', 'healthy', undefined, 'good'],
    ['running', 'Up 5 minutes (unhealthy)', 'unhealthy', undefined, 'bad'],
    ['running', 'Up 2 seconds (health: starting)', 'starting', undefined, 'info'],
    ['paused', 'Up 5 minutes (Paused)', undefined, undefined, 'warn'],
    ['exited', 'Exited (0) 3 hours ago', undefined, 0, 'quiet'],
    ['exited', 'Exited (137) 3 hours ago', undefined, 137, 'quiet'],
    ['exited', 'Exited (1) 3 hours ago', undefined, 1, 'bad'],
    ['restarting', 'Restarting (1) 5 seconds ago', undefined, 1, 'warn'],
    ['created', 'Created', undefined, undefined, 'quiet'],
    ['dead', 'Dead', undefined, undefined, 'bad'],
  ])('%s, %s', (State, Status, health, exitCode, tone) => {
    const one = aRow('x', { State, Status });
    expect(one).toMatchObject({ state: State, health, exitCode });
    expect(toneOf(one)).toBe(tone);
  });

  it('has a state that the pages do not know as unknown', () => {
    expect(aRow('x', { State: 'stopping' }).state).toBe('unknown');
  });
});

describe('verbs', () => {
  it.each([
    ['created', ['start', 'restart', 'remove', 'rename']],
    ['running', ['stop', 'restart', 'pause', 'kill', 'remove', 'rename']],
    ['paused', ['stop', 'restart', 'resume', 'kill', 'remove', 'rename']],
    ['restarting', ['stop', 'restart', 'kill', 'remove', 'rename']],
    ['removing', []],
    ['exited', ['start', 'restart', 'remove', 'rename']],
    ['dead', ['remove']],
  ] as const)('of one that is %s', (state, fitting) => {
    expect(VERBS.filter((verb) => allowed(verb, state)).sort()).toEqual([...fitting].sort());
  });

  it('leave no state both with a process and stopped', () => {
    for (const state of STATES) expect(isAlive(state) && isStopped(state)).toBe(false);
  });
});
