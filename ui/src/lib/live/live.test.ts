import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Unreachable } from '$lib/backend/backend';
import { answer, Scripted, Stream } from '$lib/backend/scripted';
import { Live } from './live.svelte';

const START = Date.UTC(2026, 10, 26, 12);
const LISTS = ['/containers/json', '/images/json', '/volumes', '/networks'];

let stops: (() => void)[] = [];
beforeEach(() => void vi.useFakeTimers({ now: START }));
afterEach(() => {
  for (const stop of stops) stop();
  stops = [];
  vi.useRealTimers();
});

/** An engine with one container that can be turned off, and a `Live` that follows it. */
async function following(clock = () => Date.now()) {
  const streams: Stream[] = [];
  const held = { up: true, containers: [{ Id: 'a' }] as unknown[], refuses: false };
  const up = <T>(make: () => T) => {
    if (!held.up) throw new Unreachable('connection refused');
    return make();
  };
  const backend = new Scripted({
    '/events': (request) =>
      up(() => {
        const stream = new Stream(request);
        streams.push(stream);
        return stream.answer;
      }),
    '/containers/json': () =>
      up(() => (held.refuses ? answer(500, { message: 'the store is broken' }) : answer(200, held.containers))),
    '/images/json': () => up(() => answer(200, [])),
    '/volumes': () => up(() => answer(200, { Volumes: [{ Name: 'v' }], Warnings: null })),
    '/networks': () => up(() => answer(200, [])),
    '/info': () => up(() => answer(200, { SystemTime: new Date(clock()).toISOString(), NCPU: 4 })),
  });
  const live = new Live(backend);
  stops.push(live.start());
  await vi.advanceTimersByTimeAsync(1);
  const event = (Type: string, Action: string, ID = 'a') =>
    streams.at(-1)!.say({ Type, Action, Actor: { ID, Attributes: {} }, time: 0, timeNano: 0 });
  const counts = () => LISTS.map((path) => backend.count(path));
  return { live, backend, held, streams, event, counts };
}

describe('lists', () => {
  it('are asked for once the stream of events is open', async () => {
    const { live, backend, counts } = await following();
    expect(backend.requests[0]!.path).toBe('/events');
    expect(counts()).toEqual([1, 1, 1, 1]);
    expect(live.connection).toBe('connected');
    expect(live.containers.list).toEqual([{ Id: 'a' }]);
    expect(live.volumes.list).toEqual([{ Name: 'v' }]);
    expect(LISTS.length && live.networks.loaded).toBe(true);
  });

  it('are asked for again when an event concerns them, and at no other time', async () => {
    const { live, held, event, counts } = await following();
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(counts()).toEqual([1, 1, 1, 1]);
    held.containers = [];
    event('container', 'exec_start: true');
    event('container', 'die');
    event('container', 'destroy');
    await vi.advanceTimersByTimeAsync(60);
    expect(counts()).toEqual([2, 1, 1, 1]);
    expect(live.containers.list).toEqual([]);
    event('network', 'create');
    await vi.advanceTimersByTimeAsync(60);
    expect(counts()).toEqual([2, 1, 1, 2]);
  });

  it('keep what they had when the engine refuses, and say why', async () => {
    const { live, held, event } = await following();
    held.refuses = true;
    event('container', 'start');
    await vi.advanceTimersByTimeAsync(60);
    expect(live.containers.list).toEqual([{ Id: 'a' }]);
    expect(live.containers.error?.message).toBe('the store is broken');
    expect(live.connection).toBe('connected');
    held.refuses = false;
    live.refresh('containers');
    await vi.advanceTimersByTimeAsync(1);
    expect(live.containers.error).toBeUndefined();
  });
});

describe('the connection', () => {
  it('is tried again with growing pauses, and all lists are asked for when it is back', async () => {
    const { live, backend, held, streams, counts } = await following();
    held.up = false;
    streams[0]!.fail(new Unreachable('broken pipe'));
    await vi.advanceTimersByTimeAsync(1);
    expect(live.connection).toBe('unreachable');
    expect(live.why?.message).toBe('broken pipe');
    expect(live.containers.list, 'what was known stays').toEqual([{ Id: 'a' }]);
    const tries = [];
    for (const wait of [500, 1000, 2000, 4000, 8000, 8000]) {
      expect(live.nextTry! - Date.now()).toBeGreaterThan(wait - 10);
      await vi.advanceTimersByTimeAsync(wait);
      tries.push(backend.count('/events'));
    }
    expect(tries).toEqual([2, 3, 4, 5, 6, 7]);
    held.up = true;
    await vi.advanceTimersByTimeAsync(8000);
    expect(live.connection).toBe('connected');
    expect(live.session).toBe(2);
    expect(counts()).toEqual([2, 2, 2, 2]);
  });

  it('is tried at once when a person asks for it', async () => {
    const { live, held, streams } = await following();
    streams[0]!.end();
    await vi.advanceTimersByTimeAsync(1);
    expect(live.connection).toBe('unreachable');
    held.up = true;
    live.retry();
    await vi.advanceTimersByTimeAsync(1);
    expect(live.connection).toBe('connected');
  });

  it('counts as lost when a list cannot be had over it', async () => {
    const { live, held, event } = await following();
    held.up = false;
    event('container', 'start');
    await vi.advanceTimersByTimeAsync(60);
    expect(live.connection).toBe('unreachable');
    expect(live.why).toBeInstanceOf(Unreachable);
  });

  it('says in the engine’s words why it is refused', async () => {
    const { live, backend, streams } = await following();
    backend.routes['/events'] = () => answer(503, { message: 'the machine is stopped' });
    streams[0]!.end();
    await vi.advanceTimersByTimeAsync(600);
    expect(live.why?.message).toBe('the machine is stopped');
  });

  it('does not forget its failures for an engine that hangs up at once each time', async () => {
    const { backend, streams } = await following();
    for (let at = 0; at < 4; at += 1) {
      streams.at(-1)!.end();
      await vi.advanceTimersByTimeAsync(500 * 2 ** at + 1);
    }
    expect(backend.count('/events')).toBe(5);
  });

  it('ends with the page', async () => {
    const { live, backend, streams, counts } = await following();
    stops.pop()!();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(backend.requests.find((request) => request.path === '/events')!.signal!.aborted).toBe(true);
    expect([streams.length, ...counts()]).toEqual([1, 1, 1, 1, 1]);
    live.refresh();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(counts()).toEqual([1, 1, 1, 1]);
  });
});

describe('the clock', () => {
  it('is the engine’s where the two differ', async () => {
    const { live } = await following(() => Date.now() - 7_200_000);
    expect(Math.abs(live.now - (Date.now() - 7_200_000))).toBeLessThan(50);
  });

  it('is this computer’s where they agree', async () => {
    const { live } = await following(() => Date.now() + 800);
    expect(live.now).toBe(Date.now());
  });
});

describe('onEvent', () => {
  it('calls back for what fits, until it is taken back', async () => {
    const { live, event } = await following();
    const heard: string[] = [];
    const stop = live.onEvent({ type: 'container', id: 'b' }, (one) => heard.push(one.Action));
    event('container', 'start', 'a');
    event('container', 'start', 'b');
    await vi.advanceTimersByTimeAsync(1);
    stop();
    event('container', 'die', 'b');
    await vi.advanceTimersByTimeAsync(1);
    expect(heard).toEqual(['start']);
  });

  it('survives a page whose callback fails', async () => {
    const reported = vi.fn();
    vi.stubGlobal('reportError', reported);
    const { live, event } = await following();
    const heard: string[] = [];
    live.onEvent({}, () => {
      throw new Error('a page is broken');
    });
    live.onEvent({}, (one) => heard.push(one.Action));
    event('volume', 'create');
    await vi.advanceTimersByTimeAsync(60);
    expect(heard).toEqual(['create']);
    expect(reported).toHaveBeenCalledOnce();
    expect(live.connection).toBe('connected');
    vi.unstubAllGlobals();
  });
});
