import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { question } from '$lib/kit/confirm.svelte';
import { dismiss, toasts } from '$lib/kit/toasts.svelte';
import type { ContainerSummary } from '$lib/api/generated';
import type { Request } from '$lib/backend/backend';
import { act, type Desk } from './actions';
import { busy } from './busy.svelte';
import { prune } from './prune';
import { row } from './rows';
import { idOf, member, summary } from './sample';
import { refused, Scripted, type Reply } from './scripted';

let backend: Scripted;
let refreshed: number;
let list: ContainerSummary[];

function desk(script: (request: Request) => Reply | 'unreachable' | Promise<Reply | 'unreachable'>): Desk {
  backend = new Scripted(script);
  const containers = { list, loaded: true, error: undefined, at: 0 };
  return { backend, live: { containers, refresh: () => void refreshed++ } };
}

beforeEach(() => {
  refreshed = 0;
  list = [];
});

afterEach(() => {
  for (const { id } of toasts()) dismiss(id);
  busy.sweep('another list');
});

const done: Reply = { status: 204 };
const said = () => toasts().map(({ toast }) => [toast.tone, toast.text, toast.detail]);
const asked = () => backend.asked.map((line) => line.replace(/[0-9a-f]{64}/, (id) => names.get(id) ?? id));
const names = new Map(['web', 'db', 'old', 'loose'].map((name) => [idOf(name), name]));

/** Answers the question that is open, and gives what it said. */
async function answer(yes: boolean, option = false) {
  await expect.poll(() => question()).toBeDefined();
  const { question: open, answer } = question()!;
  answer({ yes, option });
  return open;
}

describe('an action', () => {
  it('is busy until a list can know of it', async () => {
    const one = row(summary('web'));
    let during: unknown;
    const at = desk(() => {
      during = busy.verb(one.id, list);
      return done;
    });
    await act(at, 'stop', [one]);
    expect(during).toBe('stop');
    expect(busy.verb(one.id, list)).toBe('stop');
    expect(busy.verb(one.id, [])).toBeUndefined();
    expect(refreshed).toBe(1);
    expect(said()).toEqual([]);
  });

  it('is not done twice at the same time', async () => {
    const one = row(summary('web'));
    const at = desk(() => done);
    await Promise.all([act(at, 'stop', [one]), act(at, 'stop', [one])]);
    expect(asked()).toEqual(['POST /containers/web/stop']);
  });

  it('leaves out what it does not fit', async () => {
    const rows = [summary('web'), summary('old', { State: 'exited', Status: 'Exited (0) 1 hour ago' })].map(row);
    const at = desk(() => done);
    await act(at, 'start', rows);
    expect(asked()).toEqual(['POST /containers/old/start']);
  });

  it('begins with what others need', async () => {
    const rows = [
      member('p', 'web', { Id: idOf('web'), dependsOn: 'db:service_started:false' }),
      member('p', 'db', { Id: idOf('db') }),
    ].map((one) => row({ ...one, State: 'exited', Status: 'Exited (0) 1 hour ago' }));
    await act(
      desk(() => done),
      'start',
      rows,
    );
    expect(asked()).toEqual(['POST /containers/db/start', 'POST /containers/web/start']);
  });

  it('tells a refusal in the engine’s words', async () => {
    const one = row(summary('web', { State: 'exited', Status: 'Exited (0) 1 hour ago' }));
    await act(
      desk(() => refused(500, 'driver failed programming external connectivity: port is already allocated')),
      'start',
      [one],
    );
    expect(said()).toEqual([
      ['bad', 'web could not be started', 'driver failed programming external connectivity: port is already allocated'],
    ]);
    expect(busy.verb(one.id, list)).toBeUndefined();
  });

  it('tells of several failures at once', async () => {
    const rows = ['web', 'db', 'old'].map((name) => row(summary(name)));
    await act(
      desk(({ path }) => (path.includes(idOf('web')) ? done : refused(500, 'it would not'))),
      'pause',
      rows,
    );
    expect(said()).toEqual([['bad', '2 of 3 containers could not be paused', 'db: it would not\nold: it would not']]);
  });

  it('says that a container is gone', async () => {
    await act(
      desk(() => refused(404, 'No such container: web')),
      'stop',
      [row(summary('web'))],
    );
    expect(said()[0]!.slice(0, 2)).toEqual(['warn', 'web is not there any more']);
  });

  it('stops asking when the engine is away', async () => {
    const rows = Array.from({ length: 40 }, (_, n) => row(summary(`c${n}`)));
    await act(
      desk(() => 'unreachable'),
      'stop',
      rows,
    );
    expect(backend.asked.length).toBeLessThanOrEqual(8);
    expect(said()).toHaveLength(1);
    expect(rows.some((one) => busy.verb(one.id, list))).toBe(false);
  });
});

describe('removing', () => {
  const anonymous = {
    Type: 'volume',
    Name: 'c'.repeat(64),
    Source: '',
    Destination: '/data',
    Mode: '',
    RW: true,
    Propagation: '',
  };
  const running = row(summary('web', { Mounts: [anonymous] }));
  const ended = row(summary('old', { State: 'exited', Status: 'Exited (0) 1 hour ago' }));

  it('says what is lost, and does nothing on a no', async () => {
    const whole = act(
      desk(() => done),
      'remove',
      [running, ended],
    );
    const open = await answer(false);
    await whole;
    expect(open.title).toBe('Remove 2 containers?');
    expect(open.detail).toEqual(['web runs: it is killed', 'web has 1 volume without a name', 'old']);
    expect(open.option?.value).toBe(false);
    expect(backend.asked).toEqual([]);
  });

  it('kills only what was said to run, and takes volumes only when asked to', async () => {
    const both = act(
      desk(() => done),
      'remove',
      [running, ended],
    );
    await answer(true, true);
    await both;
    expect(asked().sort()).toEqual([
      'DELETE /containers/old?force=false&v=true',
      'DELETE /containers/web?force=true&v=true',
    ]);
    list = [];
    const one = act(
      desk(() => done),
      'remove',
      [ended],
    );
    expect((await answer(true)).option).toBeUndefined();
    await one;
    expect(asked()).toEqual(['DELETE /containers/old?force=false&v=false']);
  });

  it('is content when somebody else was quicker', async () => {
    const whole = act(
      desk(() => refused(404, 'No such container: old')),
      'remove',
      [row(summary('loose', { State: 'exited' }))],
    );
    await answer(true);
    await whole;
    expect(said()).toEqual([]);
  });
});

describe('pruning', () => {
  const stopped = [
    summary('old', { State: 'exited', Status: 'Exited (0) 1 hour ago', SizeRw: 2_000_000 }),
    summary('web', { State: 'created', Status: 'Created', SizeRw: 0 }),
  ];

  it('says what it removes and frees, and removes exactly that', async () => {
    const whole = prune(
      desk(({ method, path }) => {
        if (method === 'GET') return { body: stopped };
        return path.includes(idOf('web')) ? refused(409, 'cannot remove: container is running') : done;
      }),
    );
    const open = await answer(true);
    await whole;
    expect(open.title).toBe('Remove all 2 stopped containers?');
    expect(open.text).toContain('2 MB');
    expect(open.detail).toEqual(['old (2 MB)', 'web (0 B)']);
    expect(asked().slice(1).sort()).toEqual([
      'DELETE /containers/old?force=false&v=false',
      'DELETE /containers/web?force=false&v=false',
    ]);
    expect(said()).toEqual([
      ['good', 'Removed 1 container, freed 2 MB', undefined],
      ['bad', 'web could not be removed', 'cannot remove: container is running'],
    ]);
  });

  it('says that there is nothing to remove', async () => {
    await prune(desk(() => ({ body: [] })));
    expect(said()[0]![0]).toBe('info');
  });

  it('says when it cannot look', async () => {
    await prune(desk(() => 'unreachable'));
    expect(said()[0]!.slice(0, 2)).toEqual(['bad', 'The stopped containers could not be looked up']);
  });
});
